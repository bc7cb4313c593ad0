//! The real demo practice behind a server, and what its documentation promises of it.

use super::{
    Served,
    samples::{Sample, canonical, ty},
    serve_backend,
};
use database::{Date, Time, Value};
use practice::{BuildOptions, DemoEngine, PracticeLogin, build};
use std::sync::{Arc, LazyLock};
use tds::Options;
use uuid::Uuid;

pub(crate) const WRITER: &str = "bpsrawdata";
pub(crate) const READER: &str = "bpsviewer";
pub(crate) const SECRET: &str = "open sesame";

/// The statement of docs/demo-practice.md, "A million rows".
pub(crate) const MILLION: &str = "SELECT TOP 1000000 a.RECORDID, n.N, a.APPOINTMENTDATE, a.APPOINTMENTTIME, a.APPOINTMENTLENGTH, a.APPOINTMENTTYPE,
      a.CREATED, a.REASON, a.CREATEDBY, y.YESNOWORD
    FROM APPOINTMENTS a JOIN YESNO y ON y.YESNOCODE = a.URGENT CROSS JOIN Numbers n";

/// A statement that ends on nobody's day.
pub(crate) const ENDLESS: &str =
    "SELECT a.N FROM Numbers a CROSS JOIN Numbers b CROSS JOIN Numbers c CROSS JOIN Numbers d";

pub(crate) struct Practice {
    pub(crate) served: Served,
    _folder: tempfile::TempDir,
}

pub(crate) async fn practice() -> Practice {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("practice.db");
    let login = |user: &str, read_only| PracticeLogin {
        user: user.into(),
        password: SECRET.to_owned().into(),
        read_only,
    };
    let content = BuildOptions {
        patients: 500,
        seed: 7,
        today: Date { year: 2026, month: 2, day: 3 },
        logins: vec![login(WRITER, false), login(READER, true)],
    };
    build(&path, &content, &mut |_, _| {}).unwrap();
    let engine = Arc::new(DemoEngine::open(&path).unwrap());
    let served = serve_backend(engine, Arc::default(), Options::default()).await;
    Practice { served, _folder: folder }
}

const FIRST: Date = Date { year: 1, month: 1, day: 1 };
const LAST: Date = Date { year: 9999, month: 12, day: 31 };
const MIDNIGHT: Time = Time(0);
const END: Time = Time(Time::DAY - 1);
const LAST_SECOND: Time = Time(Time::DAY - Time::SECOND);
static LONG: LazyLock<String> = LazyLock::new(|| "x".repeat(10_000));
static WIDE: LazyLock<String> = LazyLock::new(|| "Ω".repeat(5000));

/// What `DEMO_Types` gives: each type's lowest and highest value, named as its columns begin.
pub(crate) fn ends() -> Vec<Sample> {
    use Value::{Binary, Bit, Date as Day, DateTime, DateTimeOffset, Decimal, Float, Guid, Int, Real, Text};
    let hours = |h: u64| Time(h * 3600 * Time::SECOND);
    let day = |year, month, day| Date { year, month, day };
    let all: Vec<(&'static str, &'static str, Value<'static>, Value<'static>)> = vec![
        ("bit", "bit", Bit(false), Bit(true)),
        ("tinyint", "tinyint", Int(0), Int(255)),
        ("smallint", "smallint", Int(-32_768), Int(32_767)),
        ("int", "int", Int(i32::MIN.into()), Int(i32::MAX.into())),
        ("bigint", "bigint", Int(i64::MIN), Int(i64::MAX)),
        ("decimal5", "decimal(5,2)", Decimal("-999.99"), Decimal("999.99")),
        (
            "decimal38",
            "decimal(38,10)",
            Decimal("-9999999999999999999999999999.9999999999"),
            Decimal("9999999999999999999999999999.9999999999"),
        ),
        (
            "numeric",
            "numeric(38,0)",
            Decimal("-99999999999999999999999999999999999999"),
            Decimal("99999999999999999999999999999999999999"),
        ),
        ("smallmoney", "smallmoney", Decimal("-214748.3648"), Decimal("214748.3647")),
        ("money", "money", Decimal("-922337203685477.5808"), Decimal("922337203685477.5807")),
        ("real", "real", Real(f32::MIN), Real(f32::MIN_POSITIVE)),
        ("float", "float", Float(f64::MIN), Float(f64::MIN_POSITIVE)),
        ("date", "date", Day(FIRST), Day(LAST)),
        (
            "smalldatetime",
            "smalldatetime",
            DateTime(day(1900, 1, 1), MIDNIGHT),
            DateTime(day(2079, 6, 6), Time(Time::DAY - 60 * Time::SECOND)),
        ),
        (
            "datetime",
            "datetime",
            DateTime(day(1753, 1, 1), MIDNIGHT),
            DateTime(LAST, Time(LAST_SECOND.0 + 9_970_000)),
        ),
        ("datetime2", "datetime2(7)", DateTime(FIRST, MIDNIGHT), DateTime(LAST, END)),
        ("datetime20", "datetime2(0)", DateTime(FIRST, MIDNIGHT), DateTime(LAST, LAST_SECOND)),
        (
            "datetimeoffset",
            "datetimeoffset(7)",
            DateTimeOffset(FIRST, hours(14), 840),
            DateTimeOffset(LAST, Time(hours(10).0 - 1), -840),
        ),
        ("time", "time(7)", Value::Time(MIDNIGHT), Value::Time(END)),
        ("time0", "time(0)", Value::Time(MIDNIGHT), Value::Time(LAST_SECOND)),
        ("char", "char(10)", Text("          "), Text("0123456789")),
        ("varchar", "varchar(20)", Text(""), Text("O'Brien, Zoë")),
        ("varcharmax", "varchar", Text(""), Text(&LONG)),
        ("text", "text", Text(""), Text("plain text")),
        ("nchar", "nchar(10)", Text("          "), Text("Ωmega     ")),
        ("nvarchar", "nvarchar(20)", Text(""), Text("naïve 😀 Ω")),
        ("nvarcharmax", "nvarchar", Text(""), Text(&WIDE)),
        ("ntext", "ntext", Text(""), Text("wide text Ω")),
        ("binary", "binary(4)", Binary(&[0; 4]), Binary(&[255; 4])),
        ("varbinary", "varbinary(8)", Binary(&[]), Binary(&[1, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF])),
        ("varbinarymax", "varbinary", Binary(&[]), Binary(&[0, 255, 0, 255])),
        ("image", "image", Binary(&[]), Binary(&[0x89, 0x50, 0x4E, 0x47])),
        ("variant", "sql_variant", Text("-1"), Text("any type")),
        ("uniqueidentifier", "uniqueidentifier", Guid(Uuid::nil()), Guid(Uuid::max())),
        ("xml", "xml", Text("<a />"), Text("<a><b c=\"d\">e</b></a>")),
    ];
    let sample = |(name, declared, low, high)| Sample { name, ty: ty(declared), low, high };
    all.into_iter().map(sample).collect()
}

/// The row of `DEMO_Types`: names, the types' names, and values in canonical words.
pub(crate) fn types_row() -> Vec<(String, &'static str, String)> {
    let mut row = Vec::new();
    for sample in ends() {
        for (end, value) in [("low", sample.low), ("high", sample.high), ("null", Value::Null)] {
            row.push((format!("{}_{end}", sample.name), sample.ty.name, canonical(&sample, &value)));
        }
    }
    row.push(("last".to_owned(), "int", "1".to_owned()));
    row
}
