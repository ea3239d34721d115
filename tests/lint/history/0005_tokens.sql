ALTER TABLE members ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
CREATE UNIQUE INDEX members_token ON members (token);
ALTER TABLE members ADD COLUMN standing standing NOT NULL DEFAULT 'fine';
