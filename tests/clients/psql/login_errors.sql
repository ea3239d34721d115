\! psql -X -d "$URI?password=wrong" -c "select 1"
\! psql -X -d "$URI?user=nobody-here" -c "select 1"
\! psql -X -d "$URI?dbname=no_such_database" -c "select 1"
