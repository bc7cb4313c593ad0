//! Scalar functions and conversions, and what each must answer, from `tests/functions/`.

mod common;

use common::{Demo, ask, demo};
use database::Failure;
use model::Access;
use proptest::prelude::*;
use std::sync::LazyLock;

const FILES: [(&str, &str); 4] = [
    ("text", include_str!("functions/text.txt")),
    ("numbers", include_str!("functions/numbers.txt")),
    ("dates", include_str!("functions/dates.txt")),
    ("conversions", include_str!("functions/conversions.txt")),
];

/// A line's expression and answer; `None` for an empty one and a comment.
fn case(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    Some(line.rsplit_once(" => ").expect("each line has an expression and its answer"))
}

#[test]
fn every_expression_answers_as_the_files_say() {
    let demo = demo(50);
    let mut session = demo.session(Access::ReadWrite);
    let mut count = 0;
    let mut wrong = Vec::new();
    for (file, text) in FILES {
        for (expression, expected) in text.lines().filter_map(case) {
            count += 1;
            let got = match ask(session.as_mut(), &format!("SELECT {expression} AS v")) {
                Ok(rows) => rows
                    .strip_prefix("[{\"v\":")
                    .and_then(|rest| rest.strip_suffix("}]"))
                    .map_or_else(|| rows.clone(), str::to_owned),
                Err(Failure::Sql(error)) => format!("error {}", error.number),
                Err(other) => format!("{other:?}"),
            };
            if got != expected {
                wrong.push(format!("{file}: {expression}\n  wanted {expected}\n  got    {got}"));
            }
        }
    }
    assert!(count >= 400, "{count}");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn errors_say_what_sql_server_says() {
    let demo = demo(50);
    let mut session = demo.session(Access::ReadWrite);
    let cases = [
        ("CAST('abc' AS int)", "Conversion failed when converting the varchar value 'abc' to data type int."),
        (
            "CAST(N'1,5' AS smallint)",
            "Conversion failed when converting the nvarchar value '1,5' to data type smallint.",
        ),
        (
            "CAST('99999999999' AS int)",
            "The conversion of the varchar value '99999999999' overflowed an int column.",
        ),
        (
            "CAST('300' AS tinyint)",
            "The conversion of the varchar value '300' overflowed an INT1 column. Use a larger integer column.",
        ),
        ("CAST(300 AS tinyint)", "Arithmetic overflow error for data type tinyint, value = 300."),
        ("CAST(3e9 AS int)", "Arithmetic overflow error for type int, value = 3000000000.000000."),
        ("CAST('x' AS decimal(9,2))", "Error converting data type varchar to numeric."),
        ("CAST(1000 AS decimal(4,2))", "Arithmetic overflow error converting int to data type numeric."),
        ("CAST(1234.5 AS varchar(3))", "Arithmetic overflow error converting numeric to data type varchar."),
        (
            "CAST('2026-02-30' AS date)",
            "Conversion failed when converting date and/or time from character string.",
        ),
        (
            "CAST('2026-02-30' AS datetime)",
            "The conversion of a varchar data type to a datetime data type resulted in an out-of-range value.",
        ),
        (
            "DATEADD(year, 9000, CAST('2026-02-03' AS date))",
            "Adding a value to a 'date' column caused an overflow.",
        ),
        (
            "DATEADD(hour, 1, CAST('2026-02-03' AS date))",
            "The datepart hour is not supported by date function dateadd for data type date.",
        ),
        ("DATEPART(fortnight, GETDATE())", "'fortnight' is not a recognized datepart option."),
        ("LEFT('a')", "The left function requires 2 argument(s)."),
        ("CONCAT('a')", "The concat function requires 2 to 254 arguments."),
        ("NOSUCH(1)", "'NOSUCH' is not a recognized built-in function name."),
        ("ABS(NEWID())", "Argument data type uniqueidentifier is invalid for argument 1 of abs function."),
        ("LEFT('abc', -1)", "Invalid length parameter passed to the left function."),
        (
            "CONVERT(varchar(30), CAST('2026-02-03' AS datetime), 99)",
            "99 is not a valid style number when converting from datetime to a character string.",
        ),
        ("CHECKSUM('a')", "Incorrect syntax near 'CHECKSUM': the demo practice does not support it."),
    ];
    for (expression, expected) in cases {
        match ask(session.as_mut(), &format!("SELECT {expression}")) {
            Err(Failure::Sql(error)) => assert_eq!(error.message.reveal(), expected, "{expression}"),
            other => panic!("{expression}: {other:?}"),
        }
    }
}

#[test]
fn conversions_run_over_many_rows() {
    let demo = demo(50);
    let mut session = demo.session(Access::ReadWrite);
    let text = "SELECT COUNT(LEN(CONVERT(varchar(10), DATEADD(day, a.N, '2026-02-03'), 103))) AS n FROM Numbers a CROSS JOIN Numbers b";
    assert_eq!(ask(session.as_mut(), text).unwrap(), "[{\"n\":1000000}]");
}

/// Calls that read what a text holds; `{}` is that text as a literal, `[]` another.
const READERS: [&str; 34] = [
    "TRY_CAST({} AS int)",
    "TRY_CAST({} AS bit)",
    "TRY_CAST({} AS decimal(9,2))",
    "TRY_CAST({} AS decimal(38,38))",
    "TRY_CAST({} AS money)",
    "TRY_CAST({} AS float)",
    "TRY_CAST({} AS date)",
    "TRY_CAST({} AS datetime)",
    "TRY_CAST({} AS smalldatetime)",
    "TRY_CAST({} AS datetimeoffset)",
    "TRY_CAST({} AS time)",
    "TRY_CONVERT(datetime2, {}, 103)",
    "TRY_CONVERT(date, {}, 12)",
    "TRY_CAST({} AS uniqueidentifier)",
    "TRY_CAST({} AS char(3))",
    "ISNUMERIC({})",
    "ISDATE({})",
    "PATINDEX({}, [])",
    "CHARINDEX({}, [], 2)",
    "REPLACE({}, [], 'x')",
    "TRANSLATE({}, [], {})",
    "STUFF({}, 2, 3, [])",
    "SUBSTRING({}, 2, 3) + RIGHT([], 3)",
    "TRIM({}) + REVERSE(UPPER([]))",
    "QUOTENAME({}, [])",
    "SOUNDEX({})",
    "PARSENAME({}, 1)",
    "STRING_ESCAPE({}, 'json')",
    "JSON_VALUE({}, '$.a')",
    "FORMAT(-1234567.891, {})",
    "FORMAT(12e-5, {})",
    "FORMAT(0, {})",
    "FORMAT(SYSDATETIMEOFFSET(), {})",
    "FORMAT(CAST('14:05:06.7' AS time), {})",
];

/// One practice for all cases: a new one for each would cost more than the cases.
static SMALL: LazyLock<Demo> = LazyLock::new(|| demo(5));

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_text_brings_a_function_down(
        first in "[-+0-9:./ ,;TZAPMFEa-e#%'\"\\\\$€é😀_^\\[\\]]{0,20}",
        second in "[-0-9 %a-cé😀_^\\[\\]]{0,6}",
    ) {
        let mut session = SMALL.session(Access::ReadWrite);
        let literal = |text: &str| format!("N'{}'", text.replace('\'', "''"));
        for reader in READERS {
            let text = format!("SELECT {}", reader.replace("{}", "\u{1}").replace("[]", &literal(&second)).replace('\u{1}', &literal(&first)));
            // A function that panics ends as the embedded engine's own failure.
            if let Err(Failure::Sql(error)) = ask(session.as_mut(), &text) {
                prop_assert!(error.number != 8630, "{text}: {}", error.message.reveal());
            }
        }
    }

    #[test]
    fn extremes_of_numbers_bring_nothing_down(
        n in prop_oneof![any::<i64>(), Just(i64::MIN + 1), Just(i64::MAX), -20i64..20],
        m in prop_oneof![any::<i64>(), Just(i64::MIN + 1), Just(i64::MAX), -45i64..45],
    ) {
        let mut session = SMALL.session(Access::ReadWrite);
        for call in [
            "ROUND({}, [])", "ROUND(1.5, [])", "ROUND(99999999999999999999999999999999999999.0, [])", "ROUND(1.5e0, [])",
            "POWER({}, [])", "POWER(1.5, [])", "ABS({})", "DATEADD(year, {}, GETDATE())",
            "DATEADD(ns, [], SYSDATETIME())", "DATEFROMPARTS({}, [], 1)", "DATETIME2FROMPARTS(2026, 1, 1, 0, 0, 0, {}, 7)",
            "DATETIMEOFFSETFROMPARTS(2026, 1, 1, 0, 0, 0, 0, {}, [], 7)", "SUBSTRING('abc', {}, [])",
            "LEFT('abc', {})", "RIGHT('abc', [])", "STUFF('abc', {}, [], 'x')", "CHARINDEX('a', 'abc', {})",
            "LEN(REPLICATE('ab', {}))", "STR({}, [], 2)", "STR(1.5, 20, [])", "EOMONTH(GETDATE(), {})",
            "SWITCHOFFSET(SYSDATETIMEOFFSET(), [])", "CHAR({})", "NCHAR([])", "CHOOSE({}, 1, 2)",
            "CAST({} AS decimal(38,10))", "CAST({} AS money)", "CAST({} AS smallint)", "FORMAT({}, 'N')", "FORMAT([], 'X')",
        ] {
            let text = format!("SELECT {}", call.replace("{}", &n.to_string()).replace("[]", &m.to_string()));
            if let Err(Failure::Sql(error)) = ask(session.as_mut(), &text) {
                prop_assert!(error.number != 8630, "{text}: {}", error.message.reveal());
            }
        }
    }
}
