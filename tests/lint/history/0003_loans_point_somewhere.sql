ALTER TABLE loans ADD FOREIGN KEY (member_id) REFERENCES members (id);
ALTER TABLE loans ADD CONSTRAINT loans_title FOREIGN KEY (title_id) REFERENCES titles;
CREATE INDEX loans_member ON loans (member_id);
CREATE INDEX ON loans (title_id) WHERE due IS NOT NULL;
