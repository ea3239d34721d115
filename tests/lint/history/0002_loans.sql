-- who has what
CREATE TABLE loans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id bigint,
    title_id bigint,
    due date
);
INSERT INTO loans (member_id, title_id, due)
    SELECT 1 + n % 300, 1 + n % 500, date '2026-01-01' + n FROM generate_series(0, 900) AS n;
