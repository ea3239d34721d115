do $$ begin raise info 'i'; raise notice 'n' using detail = 'more', hint = 'less';
raise warning 'w'; raise log 'not seen'; end $$;
drop table if exists no_such_table;
set client_min_messages = error;
do $$ begin raise warning 'not seen'; end $$;
