select repeat('howdah! ', 524288) as wide \gset
select length(:'wide'), md5(:'wide');
\o | md5sum
select :'wide';
\o
