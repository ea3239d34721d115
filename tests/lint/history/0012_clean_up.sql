DROP VIEW late;
DELETE FROM notices;
ALTER TABLE loans DROP CONSTRAINT days_known, DROP COLUMN days;
CREATE INDEX members_lower ON members (lower(name));
