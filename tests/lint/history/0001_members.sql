CREATE TYPE standing AS ENUM ('fine', 'late');
CREATE TABLE members (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    mail varchar(80),
    joined timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE titles (id bigint PRIMARY KEY, isbn text, shelf int);
INSERT INTO titles SELECT n, 'isbn-' || n, n % 40 FROM generate_series(1, 500) AS n;
INSERT INTO members (name, mail) SELECT 'm' || n, 'm' || n || '@example.org'
    FROM generate_series(1, 300) AS n;
