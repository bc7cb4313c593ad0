//! Deep, doubling and long statements: the compiler refuses them before the stack or the memory ends.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

use practice::tsql::rewrite;

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
