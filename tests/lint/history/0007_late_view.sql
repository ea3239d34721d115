CREATE VIEW late AS SELECT m.name, l.due FROM loans l JOIN members m ON m.id = l.member_id
    WHERE l.due < now();
COMMENT ON VIEW late IS 'to be written to';
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.name := upper(NEW.name);
    RETURN NEW;
END $$;
CREATE TRIGGER shout BEFORE INSERT ON members FOR EACH ROW EXECUTE FUNCTION shout();
