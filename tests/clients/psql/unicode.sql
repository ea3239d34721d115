select U&'t\00e4bl\4e2d\+01f418' as name, U&'\00fcn\00ef \4e2d\6587 \+01f418 e\0301' as value \gset
create table :"name" (:"name" text);
insert into :"name" values (:'value');
select *, length(:"name"), octet_length(:"name") from :"name";
select no_such from :"name";
