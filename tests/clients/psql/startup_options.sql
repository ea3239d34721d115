\setenv PGOPTIONS '-c work_mem=6MB -c app.thing=a\\ b'
\! psql -X -At -d "$URI" -c "show work_mem" -c "select current_setting('app.thing')"
