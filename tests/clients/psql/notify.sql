\o | sed -u 's/with PID [0-9]*/with PID N/;s/PID [0-9]*/PID N/'
listen letters;
notify letters, 'own';
\setenv SAID 'notify letters, ''from another'''
\! psql -X -d "$URI" -c "$SAID"
select 1;
unlisten *;
notify letters, 'too late';
select 2;
\o
