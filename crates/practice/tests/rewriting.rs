//! The compiler stands whatever comes.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod grammar;

use grammar::Draw;
use practice::tsql::rewrite;
use proptest::{collection::vec, prelude::*};

/// One statement or batch of each kind of syntax; all compile.
const SEEDS: &[&str] = &[
    "SELECT TOP 5 [Surname], DATEDIFF(year, DOB, GETDATE()) FROM [BPSPATIENTS].[dbo].[BPS_Patients] WITH (NOLOCK) WHERE Surname LIKE N'S%' AND InternalID = @p1 ORDER BY 1 DESC",
    "WITH c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3) SELECT n, COUNT(*) FROM c GROUP BY n HAVING COUNT(*) > 0 OPTION (MAXRECURSION 0)",
    "DECLARE @id int; EXEC @id = BPSPATIENTS.dbo.BP_AddAppointment @aptdate=@p3, @apttime=29700, @aptlen=900, @practitionerid=1, @patientid=2; SELECT @id AS aptid",
    "UPDATE PATIENTS SET SURNAME = CASE WHEN SEXCODE = 1 THEN 'a' ELSE @p2 END WHERE INTERNALID IN (SELECT INTERNALID FROM APPOINTMENTS)",
    "INSERT INTO Numbers (N) VALUES (1), (2); DELETE FROM Numbers WHERE N > 5; WAITFOR DELAY '0:0:1' SELECT CONVERT(varchar(10), @p3, 103)",
    "DECLARE @i int = 0, @s nvarchar(max) = N'' WHILE @i < 10 BEGIN SET @i += 1 IF @i % 2 = 0 CONTINUE ELSE IF @i > 7 BREAK SELECT @s = @s + CAST(@i AS nvarchar(5)) END PRINT @s",
    "BEGIN TRY BEGIN TRAN UPDATE Numbers SET N = 1 / 0 COMMIT END TRY BEGIN CATCH IF @@TRANCOUNT > 0 ROLLBACK; THROW; END CATCH",
    "BEGIN TRY RAISERROR('Bad %s: %d', 16, 1, 'row', 7) WITH NOWAIT END TRY BEGIN CATCH SELECT ERROR_NUMBER() AS n, ERROR_MESSAGE() AS m; THROW 50001, 'again', 1 END CATCH",
    "SET NOCOUNT ON SET XACT_ABORT ON SAVE TRANSACTION s1; ROLLBACK TRANSACTION s1; USE BPSPatients; RETURN",
    "DECLARE @t TABLE (id int IDENTITY(1, 1) PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'x', CHECK (id > 0)) INSERT @t (name) OUTPUT inserted.id, inserted.name VALUES ('a'), (DEFAULT) SELECT t.* FROM @t AS t",
    "CREATE TABLE #t (id int NOT NULL, v decimal(9, 2) NULL, PRIMARY KEY (id)); CREATE INDEX ix ON #t (v DESC); ALTER TABLE #t ADD n nvarchar(max) NULL; TRUNCATE TABLE #t; DROP TABLE IF EXISTS #t, #u",
    "SELECT N, N * N AS sq INTO #sq FROM Numbers WHERE N BETWEEN 2 AND 4",
    "UPDATE a SET a.REASON = p.SURNAME FROM APPOINTMENTS a INNER JOIN PATIENTS p ON p.INTERNALID = a.INTERNALID WHERE p.INTERNALID = @p1",
    "DELETE FROM Numbers OUTPUT deleted.N WHERE N > 5; DELETE a FROM APPOINTMENTS a JOIN PATIENTS p ON p.INTERNALID = a.INTERNALID",
    "WITH d AS (SELECT N, ROW_NUMBER() OVER (PARTITION BY N % 3 ORDER BY N DESC) AS rn FROM Numbers) SELECT * FROM d WHERE rn = 1",
    "SELECT n.N, x.m, s.value FROM Numbers n CROSS APPLY (SELECT TOP 1 k.N AS m FROM Numbers k WHERE k.N > n.N ORDER BY k.N) x OUTER APPLY STRING_SPLIT(@p2, ',') s",
    "SELECT v.id, u.k FROM (VALUES (1, 'a'), (2, NULL)) v (id, t) CROSS APPLY (VALUES ('one', v.id), ('two', 2)) u (k, w) WHERE v.t IS NOT NULL",
    "SELECT STUFF((SELECT ', ' + p.SURNAME FROM PATIENTS p ORDER BY p.SURNAME FOR XML PATH('')), 1, 2, '') AS list, STRING_AGG(CAST(N AS varchar(9)), ';') WITHIN GROUP (ORDER BY N DESC) FROM Numbers",
    "EXEC ('SELECT 1 AS a; SELECT ''x''') EXEC sp_executesql N'SELECT @a + 1, @b', N'@a int, @b nvarchar(20) OUTPUT', @a = @p1, @b = @p2 OUTPUT",
    "INSERT INTO Numbers (N) EXEC sp_executesql N'SELECT 1'",
    "SELECT TOP 10 PERCENT WITH TIES N, SUM(N) OVER (ORDER BY N ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s, LAG(N, 1, 0) OVER (ORDER BY N) AS l, NTILE(4) OVER (ORDER BY N) FROM Numbers ORDER BY N",
    "SELECT N FROM Numbers ORDER BY N OFFSET 10 ROWS FETCH NEXT @p1 ROWS ONLY",
    "SELECT TRY_CAST(@p2 AS decimal(18, 4)), FORMAT(@p3, 'dd/MM/yyyy'), EOMONTH(@p3), IIF(@p1 > 1, 'a', 'b'), CHOOSE(@p1, 'x', 'y'), NULLIF(@p1, 0), ISNULL(@p2, N'') COLLATE Latin1_General_BIN",
    "SELECT 1 AS a UNION ALL SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 4 ORDER BY a DESC",
    "SELECT p.SURNAME, a.n FROM PATIENTS p FULL OUTER JOIN (SELECT INTERNALID, COUNT(DISTINCT APPOINTMENTTYPE) AS n FROM APPOINTMENTS GROUP BY INTERNALID) AS a ON a.INTERNALID = p.INTERNALID WHERE NOT EXISTS (SELECT * FROM Numbers WHERE N = p.INTERNALID) OR p.INTERNALID > ALL (SELECT N FROM Numbers)",
    "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES; SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('dbo.PATIENTS')",
    "SELECT 0x0aFF, 1e3, .5, -2147483648, 'it''s', N'日本', [a b] FROM (SELECT 1 AS [a b]) \"q\"\"x\" -- to the end\n/* over /* nested */ lines */",
];

/// Words that a soup is made of.
const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "TOP",
    "PERCENT",
    "WITH TIES",
    "DISTINCT",
    "UNION",
    "ALL",
    "EXCEPT",
    "INTERSECT",
    "JOIN",
    "LEFT JOIN",
    "CROSS APPLY",
    "OUTER APPLY",
    "ON",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IN",
    "EXISTS",
    "BETWEEN",
    "LIKE",
    "ESCAPE",
    "IS",
    "NULL",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "BEGIN",
    "TRY",
    "CATCH",
    "TRAN",
    "COMMIT",
    "ROLLBACK",
    "SAVE",
    "IF",
    "WHILE",
    "BREAK",
    "CONTINUE",
    "RETURN",
    "DECLARE",
    "SET",
    "PRINT",
    "THROW",
    "RAISERROR",
    "EXEC",
    "sp_executesql",
    "INSERT",
    "INTO",
    "VALUES",
    "DEFAULT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "USING",
    "MATCHED",
    "OUTPUT",
    "inserted",
    "deleted",
    "CREATE",
    "DROP",
    "ALTER",
    "TRUNCATE",
    "TABLE",
    "INDEX",
    "PRIMARY KEY",
    "IDENTITY",
    "CHECK",
    "FOR XML PATH",
    "PIVOT",
    "OVER",
    "PARTITION BY",
    "ROWS",
    "RANGE",
    "UNBOUNDED",
    "PRECEDING",
    "CURRENT ROW",
    "OFFSET",
    "FETCH NEXT",
    "ONLY",
    "OPTION",
    "MAXRECURSION",
    "WITH",
    "NOLOCK",
    "COLLATE",
    "CAST",
    "CONVERT",
    "TRY_CAST",
    "COUNT",
    "SUM",
    "STRING_AGG",
    "WITHIN GROUP",
    "ROW_NUMBER",
    "ISNULL",
    "COALESCE",
    "NULLIF",
    "IIF",
    "DATEADD",
    "DATEDIFF",
    "day",
    "GETDATE",
    "LEN",
    "SUBSTRING",
    "REPLACE",
    "FORMAT",
    "int",
    "varchar",
    "max",
    "decimal",
    "datetime",
    "WAITFOR",
    "DELAY",
    "USE",
    "GO",
    "KILL",
    "OPEN",
    "FETCH",
    "Numbers",
    "N",
    "PATIENTS",
    "dbo",
    "t",
    "x",
    "#t",
    "@t",
    "@p1",
    "@p2",
    "@p3",
    "@@ROWCOUNT",
    "(",
    "(",
    "(",
    ")",
    ")",
    ")",
    ",",
    ",",
    ";",
    ".",
    "=",
    "<>",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "~",
    "+=",
    "::",
    ":",
    "?",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "N'",
    "''",
    "'a'",
    "N'b'",
    "1",
    "0",
    "2.5",
    "1e9",
    "0x1F",
    "$1",
    "99999999999999999999",
    "--",
    "/*",
    "*/",
    "\n",
    "\0",
    "é",
    "\u{feff}",
    "\u{1F600}",
];

#[test]
fn the_seeds_compile() {
    for seed in SEEDS {
        rewrite(seed).unwrap_or_else(|e| panic!("{seed}: {} {}", e.number, e.message.reveal()));
    }
}

/// Where a word is missing or stands twice, at every place.
#[test]
fn no_seed_cut_short_or_with_a_word_more_or_less_makes_it_panic() {
    for seed in SEEDS {
        for (at, _) in seed.char_indices() {
            let _ = rewrite(&seed[..at]);
            let _ = rewrite(&seed[at..]);
        }
        let words: Vec<&str> = seed.split_inclusive([' ', '(', ')', ',', ';', '.']).collect();
        for at in 0..words.len() {
            let (before, after) = (words[..at].concat(), words[at + 1..].concat());
            let _ = rewrite(&format!("{before}{after}"));
            let _ = rewrite(&format!("{before}{0} {0}{after}", words[at]));
            for put in ["(", ")", "ELSE ", "END ", "BEGIN ", "SELECT ", "AS ", ", ", "= ", "+ ", "NULL "] {
                let _ = rewrite(&format!("{before}{put}{after}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = rewrite(&text);
    }

    #[test]
    fn no_mutation_makes_it_panic(seed in 0..SEEDS.len(), cuts in vec((0usize..300, 0usize..300, "[ -~]{0,6}|SELECT|FROM|\\(|\\)|'|NULL|CAST\\(|é"), 1..4)) {
        let mut chars: Vec<char> = SEEDS[seed].chars().collect();
        for (at, length, put) in cuts {
            let at = at % (chars.len() + 1);
            let to = (at + length % 12).min(chars.len());
            chars.splice(at..to, put.chars());
        }
        let _ = rewrite(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn no_soup_of_words_makes_it_panic(words in vec(0..WORDS.len(), 1..60)) {
        let words: Vec<&str> = words.into_iter().map(|at| WORDS[at]).collect();
        let _ = rewrite(&words.join(" "));
        let _ = rewrite(&words.concat());
    }

    #[test]
    fn no_statement_with_pieces_of_another_makes_it_panic(
        (a, b) in (0..SEEDS.len(), 0..SEEDS.len()),
        (from, to, at) in (0usize..400, 0usize..60, 0usize..400),
    ) {
        let words = |seed: usize| SEEDS[seed].split_inclusive([' ', '(', ')', ',']).collect::<Vec<_>>();
        let (mut text, other) = (words(a), words(b));
        let from = from % other.len();
        let at = at % (text.len() + 1);
        text.splice(at..at, other[from..(from + to).min(other.len())].iter().copied());
        let _ = rewrite(&text.concat());
    }

    #[test]
    fn a_grown_statement_cut_anywhere_does_not_make_it_panic(bytes in vec(any::<u8>(), 0..200), cut in 0usize..2000) {
        let (text, _) = Draw::new(&bytes).statement();
        let text = text.replace("[#t]", "Numbers").replace("[#u]", "PATIENTS");
        let chars: Vec<char> = text.chars().collect();
        let _ = rewrite(&chars[..cut % (chars.len() + 1)].iter().collect::<String>());
    }
}
