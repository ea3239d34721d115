DROP INDEX loans_member;
CREATE INDEX loans_member_due ON loans (member_id, due);
ALTER TABLE loans ADD COLUMN days int;
UPDATE loans SET days = due - date '2026-01-01';
ALTER TABLE loans ADD CONSTRAINT days_known CHECK (days IS NOT NULL);
