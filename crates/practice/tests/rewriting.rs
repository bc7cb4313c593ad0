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

const TOO_DEEP: &[i32] = &[191, 8623];

/// Every construct that may stand in itself, that many times.
fn nested(depth: usize) -> Vec<(&'static str, String)> {
    let both = |open: &str, middle: &str, close: &str| {
        format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
    };
    let each = |what: &dyn Fn(usize) -> String| -> String { (0..depth).map(what).collect() };
    vec![
        ("parentheses", format!("SELECT {}", both("(", "1", ")"))),
        ("conditions", format!("SELECT 1 WHERE {}", both("(", "1=1", ")"))),
        ("AND in parentheses", format!("SELECT 1 WHERE {}", both("(1=1 AND ", "1=1", ")"))),
        ("BEGIN", both("BEGIN ", "SELECT 1", " END")),
        ("IF", both("IF 1=1 ", "SELECT 1", "")),
        ("ELSE IF", both("IF 1=0 SELECT 1 ELSE ", "SELECT 1", "")),
        ("WHILE", both("WHILE 1=1 ", "BREAK", "")),
        ("TRY", both("BEGIN TRY ", "SELECT 1", " END TRY BEGIN CATCH END CATCH")),
        ("CATCH", both("BEGIN TRY SELECT 1 END TRY BEGIN CATCH ", "SELECT 1", " END CATCH")),
        ("scalar subqueries", format!("SELECT {}", both("(SELECT ", "1", ")"))),
        ("derived tables", both("SELECT a FROM (", "SELECT 1 AS a", ") x")),
        ("EXISTS", format!("SELECT 1{}", both(" WHERE EXISTS (SELECT 1", "", ")"))),
        ("IN", format!("SELECT 1{}", both(" WHERE 1 IN (SELECT 1", "", ")"))),
        ("ALL", format!("SELECT 1{}", both(" WHERE 1 = ALL (SELECT 1", "", ")"))),
        ("WITH", both("WITH c AS (", "SELECT 1 AS a", ") SELECT a FROM c")),
        ("FOR XML", format!("SELECT {}", both("(SELECT ", "1", " AS a FOR XML PATH(''))"))),
        ("functions", format!("SELECT {}", both("ABS(", "1", ")"))),
        ("ISNULL", format!("SELECT {}", both("ISNULL(NULL, ", "1", ")"))),
        ("COALESCE", format!("SELECT {}", both("COALESCE(NULL, ", "1", ")"))),
        ("IIF", format!("SELECT {}", both("IIF(1=0, 2, ", "1", ")"))),
        ("CONCAT", format!("SELECT {}", both("CONCAT('a', ", "1", ")"))),
        ("CAST", format!("SELECT {}", both("CAST(", "1", " AS int)"))),
        ("DATEADD", format!("SELECT {}", both("DATEADD(day, 1, ", "@p3", ")"))),
        ("UNION in parentheses", both("SELECT 1 UNION (", "SELECT 1", ")")),
        ("UNION", both("SELECT 1 UNION ", "SELECT 1", "")),
        ("INTERSECT", both("SELECT 1 INTERSECT ", "SELECT 1", "")),
        (
            "APPLY in APPLY",
            format!(
                "SELECT 1 FROM Numbers t{}{}",
                each(&|i| format!(" CROSS APPLY (SELECT TOP 1 t{i}.N FROM Numbers t{i}")),
                each(&|i| format!(") z{i}"))
            ),
        ),
        (
            "joins in parentheses",
            format!(
                "SELECT 1 FROM {}Numbers n{}",
                "(".repeat(depth),
                each(&|i| format!(" CROSS JOIN Numbers y{i})"))
            ),
        ),
        ("NOT in parentheses", format!("SELECT 1 WHERE {}", both("NOT (", "1=1", ")"))),
        ("minus", format!("SELECT {}", both("- ", "1", ""))),
        ("plus", format!("SELECT {}", both("+ ", "1", ""))),
        ("sums", format!("SELECT {}", both("1+", "1", ""))),
        ("sums in parentheses", format!("SELECT {}", both("(1+", "1", ")"))),
        ("joined texts", format!("SELECT {}", both("'a'+", "'a'", ""))),
        ("AND", format!("SELECT 1 WHERE {}", both("1=1 AND ", "1=1", ""))),
        ("OR", format!("SELECT 1 WHERE {}", both("1=1 OR ", "1=1", ""))),
        ("CHECK", format!("CREATE TABLE #t (a int CHECK ({}))", both("(", "a>1", ")"))),
        ("DEFAULT", format!("CREATE TABLE #t (a int DEFAULT {})", both("(", "1", ")"))),
        ("TOP", format!("SELECT TOP ({}) 1", both("(", "1", ")"))),
        ("EXEC", format!("EXEC ({})", both("(", "'SELECT 1'", ")"))),
    ]
}

#[test]
fn what_is_nested_sensibly_compiles_and_what_is_not_is_refused_before_the_stack_ends() {
    for (what, text) in nested(7) {
        assert!(rewrite(&text).is_ok(), "{what}: {text}");
    }
    for depth in [45, 300, 1500, 6000] {
        for (what, text) in nested(depth) {
            match rewrite(&text) {
                Ok(_) => assert!(depth == 45, "{what} {depth} deep"),
                Err(error) => {
                    assert!(TOO_DEEP.contains(&error.number), "{what} {depth} deep: {}", error.number)
                }
            }
        }
    }
}

/// Nested where SQL Server has another error, or none of ours is better than another; only that it ends counts.
#[test]
fn chains_and_nests_of_any_length_end() {
    for depth in [45, 300, 1500, 6000, 20_000] {
        let (case, not) = ("CASE WHEN 1=1 THEN ".repeat(depth), "NOT ".repeat(depth));
        for text in [
            format!("SELECT {case}1"),
            format!("SELECT {case}1{}", " END".repeat(depth)),
            format!("SELECT {}1=1{}", "CASE WHEN ".repeat(depth), " THEN 1 END".repeat(depth)),
            format!("SELECT 1 WHERE {not}1=1"),
            format!("SELECT {not}1 WHERE 1=1"),
            format!("SELECT {}1", "~".repeat(depth)),
            format!("SELECT {}1", "-".repeat(depth)),
            format!("SELECT 1 WHERE 1{}", " = 1".repeat(depth)),
            format!("SELECT 1 WHERE 1{}", " IS NULL".repeat(depth)),
            format!("SELECT 1 WHERE 1{}", " BETWEEN 1 AND 1".repeat(depth)),
            format!("SELECT 1 WHERE 'a'{}", " LIKE 'a'".repeat(depth)),
            format!("SELECT 1 WHERE 1{}", " IN (1)".repeat(depth)),
            format!("SELECT 'a'{}", " COLLATE Latin1_General_CI_AS".repeat(depth)),
            format!("SELECT a{}", ".a".repeat(depth)),
            format!("SELECT a{}", "[1]".repeat(depth)),
            format!("SELECT a{}", "::int".repeat(depth)),
            format!("SELECT CAST(1 AS {}int{})", "array<".repeat(depth), ">".repeat(depth)),
            format!("SELECT 1 FROM Numbers t{}", ", Numbers".repeat(depth)),
            format!("SELECT 1 FROM Numbers t{}", " CROSS APPLY (SELECT 1 AS a) x".repeat(depth)),
            format!("SELECT {}1{}", "SUM(".repeat(depth), ") OVER ()".repeat(depth)),
            "(".repeat(depth),
            "BEGIN ".repeat(depth),
            "BEGIN TRY ".repeat(depth),
            "END ".repeat(depth),
            "/*".repeat(depth),
            "SELECT ".repeat(depth),
            ";".repeat(depth),
            "EXEC ".repeat(depth),
            "WITH ".repeat(depth),
            "'".repeat(depth),
            "[".repeat(depth),
            "{fn ".repeat(depth),
        ] {
            let _ = rewrite(&text);
        }
    }
}

/// Constructs that the compiler says twice or more in what it writes.
#[test]
fn what_doubles_with_each_level_is_refused_before_it_fills_the_memory() {
    for text in [
        format!("SELECT {}1{}", "NULLIF(".repeat(40), ", 0)".repeat(40)),
        format!("SELECT {}1{}", "(1 ^ ".repeat(40), ")".repeat(40)),
        format!("SELECT {}1{}", "IIF(".repeat(40), " BETWEEN 0 AND 2, 1, 0)".repeat(40)),
        format!("SELECT 1{}{}", " WHERE 1 = ALL (SELECT 1".repeat(30), ")".repeat(30)),
    ] {
        let error = rewrite(&text).unwrap_err();
        assert!(TOO_DEEP.contains(&error.number), "{text}: {}", error.number);
    }
}

#[test]
fn what_is_long_but_flat_compiles() {
    for text in [
        format!("SELECT 1 WHERE 1 IN ({}1)", "1,".repeat(20_000)),
        format!("SELECT * FROM (VALUES (1){}) v (a)", ",(2)".repeat(10_000)),
        format!("SELECT CASE {}END", "WHEN 1=0 THEN 1 ".repeat(900)),
        format!("SELECT 1{}", ",1".repeat(1_000)),
        "SELECT 1; ".repeat(10_000),
        format!("INSERT INTO Numbers (N) VALUES (-1){}", ", (-2)".repeat(5_000)),
        "UPDATE Numbers SET N = N + 1 WHERE N = 5 AND N > 3;".repeat(1_000),
        format!("PRINT '{}'", "x''".repeat(1_000_000)),
        format!("SELECT 1 AS [{}]", "n".repeat(100_000)),
        format!("/* {} */ SELECT 1", "x".repeat(3_000_000)),
    ] {
        rewrite(&text).unwrap_or_else(|e| panic!("{}: {}", &text[..60], e.message.reveal()));
    }
    let most = model::limit::COMMAND_TEXT_BYTES;
    for text in [format!("SELECT '{}'", "x".repeat(most)), format!("SELECT 1 --{}", "x".repeat(10 * most))] {
        assert_eq!(rewrite(&text).unwrap_err().number, 8623);
    }
}

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
