select '{"a": [1, 2.5, null, true], "q": "quote \" back \\ tab \t"}'::json,
       '{"b": {"c": []}, "a": 1}'::jsonb, '{"b": {"c": []}}'::jsonb -> 'b';
