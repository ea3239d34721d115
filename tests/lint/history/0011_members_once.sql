ALTER TABLE members ADD CONSTRAINT members_mail UNIQUE (mail);
ALTER TABLE members ALTER mail TYPE text;
DO $$
BEGIN
    IF EXISTS (SELECT FROM members WHERE mail IS NULL) THEN
        RAISE EXCEPTION 'mail';
    END IF;
END $$;
ALTER TABLE members ALTER mail SET NOT NULL;
