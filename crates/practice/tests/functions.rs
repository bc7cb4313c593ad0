//! Scalar functions and conversions, and what each must answer, from `tests/functions/`.

mod common;

use common::{ask, demo};
use database::Failure;
use model::Access;

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
