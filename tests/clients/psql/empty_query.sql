;
-- nothing
;;
/* nothing */ ;
select 1;
