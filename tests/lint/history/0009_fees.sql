CREATE TABLE fees (loan_id bigint, cents int NOT NULL, paid bool DEFAULT false);
INSERT INTO fees SELECT id, 5 FROM loans WHERE days > 100;
CREATE INDEX fees_loan ON fees (loan_id);
