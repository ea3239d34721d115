ALTER TABLE fees ADD CONSTRAINT fees_pkey PRIMARY KEY (loan_id);
ALTER TABLE fees ADD FOREIGN KEY (loan_id) REFERENCES loans ON DELETE CASCADE;
CREATE TABLE notices (loan_id bigint REFERENCES fees (loan_id), sent timestamptz);
