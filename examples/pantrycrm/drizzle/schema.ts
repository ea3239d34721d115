// PantryCRM for Drizzle: the tables of ../schema.sql, by the names that an application uses.
import { relations, sql } from "drizzle-orm";
import {
  bigint, boolean, check, date, index, integer, jsonb, numeric, pgEnum, pgTable, smallint, text,
  timestamp, type AnyPgColumn,
} from "drizzle-orm/pg-core";

const id = () => bigint("id", { mode: "number" }).primaryKey().generatedByDefaultAsIdentity();
const moment = (name: string) => timestamp(name, { withTimezone: true });
const reference = (name: string, to: () => AnyPgColumn, onDelete?: "cascade" | "set null") =>
  bigint(name, { mode: "number" }).references(to, onDelete ? { onDelete } : undefined);

export const userRole = pgEnum("user_role", ["ADMIN", "MANAGER", "REP"]);
export const priority = pgEnum("priority", ["A", "B", "C", "D"]);
export const segment = pgEnum("segment", [
  "FINE_DINING", "CASUAL_DINING", "FAST_CASUAL", "QUICK_SERVICE", "CAFE", "BAR", "HOTEL",
  "CATERING", "HEALTHCARE", "EDUCATION", "GROCERY",
]);
export const interactionKind = pgEnum("interaction_kind", [
  "CALL", "EMAIL", "VISIT", "TASTING", "DELIVERY", "NOTE",
]);
export const leadStatus = pgEnum("lead_status", [
  "NEW", "CONTACTED", "QUALIFIED", "CONVERTED", "LOST",
]);
export const stage = pgEnum("stage", [
  "PROSPECT", "TASTING", "PROPOSAL", "NEGOTIATION", "WON", "LOST",
]);

export const users = pgTable("users", {
  id: id(),
  email: text("email").notNull().unique(),
  name: text("name").notNull(),
  role: userRole("role").notNull().default("REP"),
  active: boolean("active").notNull().default(true),
  createdAt: moment("created_at").notNull().defaultNow(),
});

export const organizations = pgTable("organizations", {
  id: id(),
  name: text("name").notNull(),
  priority: priority("priority").notNull().default("C"),
  segment: segment("segment").notNull(),
  city: text("city").notNull(),
  email: text("email"),
  annualVolume: numeric("annual_volume", { precision: 12, scale: 2 }).notNull().default("0"),
  tags: text("tags").array().notNull().default(sql`'{}'`),
  details: jsonb("details").notNull().default({}),
  ownerId: reference("owner_id", () => users.id).notNull(),
  lastSeenAt: moment("last_seen_at"),
  createdAt: moment("created_at").notNull().defaultNow(),
  updatedAt: moment("updated_at").notNull().defaultNow(),
}, (table) => [
  index("organizations_owner_id").on(table.ownerId),
  index("organizations_segment_priority").on(table.segment, table.priority),
  index("organizations_tags").using("gin", table.tags),
  check("organizations_annual_volume_check", sql`${table.annualVolume} >= 0`),
]);

export const contacts = pgTable("contacts", {
  id: id(),
  organizationId: reference("organization_id", () => organizations.id, "cascade").notNull(),
  firstName: text("first_name").notNull(),
  lastName: text("last_name").notNull(),
  email: text("email"),
  phone: text("phone"),
  position: text("position"),
  isPrimary: boolean("is_primary").notNull().default(false),
  createdAt: moment("created_at").notNull().defaultNow(),
}, (table) => [
  index("contacts_organization_id").on(table.organizationId),
  index("contacts_email").on(sql`lower(${table.email})`),
]);

export const interactions = pgTable("interactions", {
  id: id(),
  organizationId: reference("organization_id", () => organizations.id, "cascade").notNull(),
  contactId: reference("contact_id", () => contacts.id, "set null"),
  userId: reference("user_id", () => users.id).notNull(),
  kind: interactionKind("kind").notNull(),
  subject: text("subject").notNull(),
  body: text("body").notNull().default(""),
  minutes: integer("minutes").notNull().default(0),
  happenedAt: moment("happened_at").notNull().defaultNow(),
}, (table) => [
  index("interactions_organization_id_happened_at")
    .on(table.organizationId, table.happenedAt.desc()),
  check("interactions_minutes_check", sql`${table.minutes} >= 0`),
]);

export const leads = pgTable("leads", {
  id: id(),
  organizationId: reference("organization_id", () => organizations.id, "set null"),
  company: text("company").notNull(),
  email: text("email"),
  source: text("source").notNull(),
  status: leadStatus("status").notNull().default("NEW"),
  score: smallint("score").notNull().default(0),
  ownerId: reference("owner_id", () => users.id),
  createdAt: moment("created_at").notNull().defaultNow(),
}, (table) => [
  index("leads_owner_id_status").on(table.ownerId, table.status),
  index("leads_open").on(table.createdAt).where(sql`status in ('NEW', 'CONTACTED')`),
  check("leads_score_check", sql`${table.score} between 0 and 100`),
]);

export const opportunities = pgTable("opportunities", {
  id: id(),
  organizationId: reference("organization_id", () => organizations.id, "cascade").notNull(),
  leadId: reference("lead_id", () => leads.id, "set null").unique(),
  ownerId: reference("owner_id", () => users.id).notNull(),
  name: text("name").notNull(),
  stage: stage("stage").notNull().default("PROSPECT"),
  amount: numeric("amount", { precision: 12, scale: 2 }).notNull().default("0"),
  probability: smallint("probability").notNull().default(10),
  expectedOn: date("expected_on"),
  closedAt: moment("closed_at"),
  createdAt: moment("created_at").notNull().defaultNow(),
}, (table) => [
  index("opportunities_organization_id").on(table.organizationId),
  index("opportunities_open").on(table.expectedOn).where(sql`stage not in ('WON', 'LOST')`),
  check("opportunities_amount_check", sql`${table.amount} >= 0`),
  check("opportunities_probability_check", sql`${table.probability} between 0 and 100`),
]);

export const organizationRelations = relations(organizations, ({ one, many }) => ({
  owner: one(users, { fields: [organizations.ownerId], references: [users.id] }),
  contacts: many(contacts),
  interactions: many(interactions),
  opportunities: many(opportunities),
}));

export const contactRelations = relations(contacts, ({ one }) => ({
  organization: one(organizations, {
    fields: [contacts.organizationId], references: [organizations.id],
  }),
}));

export const interactionRelations = relations(interactions, ({ one }) => ({
  organization: one(organizations, {
    fields: [interactions.organizationId], references: [organizations.id],
  }),
}));

export const opportunityRelations = relations(opportunities, ({ one }) => ({
  organization: one(organizations, {
    fields: [opportunities.organizationId], references: [organizations.id],
  }),
  owner: one(users, { fields: [opportunities.ownerId], references: [users.id] }),
}));
