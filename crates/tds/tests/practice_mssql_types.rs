//! mssql-tds against the real demo practice: every type, as a result and as a parameter, and calls with outputs.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    demo::{SECRET, WRITER, practice, types_row},
    mssql::{connect_as, walked},
    shown::mssql as shown,
};
use mssql_tds::{
    connection::tds_client::{ResultSet, StatementResult, TdsClient},
    datatypes::{
        column_values::{
            SqlDate, SqlDateTime, SqlDateTime2, SqlDateTimeOffset, SqlMoney, SqlSmallDateTime, SqlTime,
        },
        decoder::DecimalParts,
        sql_string::SqlString,
        sqltypes::SqlType,
    },
    message::parameters::rpc_parameters::{RpcParameter, StatusFlags},
};

async fn connect(practice: &common::demo::Practice, packet_size: u16) -> TdsClient {
    connect_as(&practice.served, WRITER, SECRET, |c| c.packet_size = packet_size).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_types_is_what_its_documentation_says() {
    let practice = practice().await;
    let wanted = types_row();
    for packet_size in [512, 8000] {
        let mut client = connect(&practice, packet_size).await;
        for call in [true, false] {
            let asked = if call {
                client.execute_stored_procedure("DEMO_Types".to_owned(), None, None, ()).await
            } else {
                client.execute("EXEC DEMO_Types".to_owned(), ()).await
            };
            assert_eq!(asked.unwrap(), StatementResult::Rows);
            let names: Vec<_> = client.get_metadata().iter().map(|m| m.column_name.clone()).collect();
            assert_eq!(names, wanted.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>());
            let row = client.next_row().await.unwrap().unwrap();
            for (value, (name, _, wanted)) in row.into_iter().zip(&wanted) {
                assert_eq!(shown(value), *wanted, "{name}");
            }
            assert!(client.next_row().await.unwrap().is_none());
            client.close_query().await.unwrap();
            assert_eq!(client.get_return_status(), Some(0));
        }
    }
}

fn text(text: &str) -> SqlString {
    SqlString::from_utf8_string(text.to_owned())
}

fn money(amount: i64) -> SqlMoney {
    SqlMoney::from((amount as i32, (amount >> 32) as i32))
}

const LAST_DAY: u32 = 3_652_058;
const END: u64 = 863_999_999_999;

fn time(ticks: u64) -> SqlTime {
    SqlTime { time_nanoseconds: ticks, scale: 7 }
}

/// A type's lowest value, highest value and NULL, the former two with how they come back.
type Ends = ([SqlType; 3], &'static str, &'static str);

macro_rules! ends {
    ($kind:ident, $low:expr, $high:expr $(, $length:literal)?) => {
        [SqlType::$kind(Some($low) $(, $length)?), SqlType::$kind(Some($high) $(, $length)?), SqlType::$kind(None $(, $length)?)]
    };
}

/// `text` and `ntext` are not among them: this client sends those in the form of a bulk load, which is not a call's.
fn every_type() -> Vec<Ends> {
    let moment = |days, ticks| SqlDateTime2 { days, time: time(ticks) };
    let zoned = |days, ticks, offset| SqlDateTimeOffset { datetime2: moment(days, ticks), offset };
    let decimal = |positive| DecimalParts::new(positive, 38, 10, 10u128.pow(38) - 1);
    let numeric = |positive| DecimalParts::new(positive, 38, 0, 10u128.pow(38) - 1);
    let guid = uuid::Uuid::from_u128;
    vec![
        (ends!(Bit, false, true), "false", "true"),
        (ends!(TinyInt, 0, 255), "0", "255"),
        (ends!(SmallInt, i16::MIN, i16::MAX), "-32768", "32767"),
        (ends!(Int, i32::MIN, i32::MAX), "-2147483648", "2147483647"),
        (ends!(BigInt, i64::MIN, i64::MAX), "-9223372036854775808", "9223372036854775807"),
        (ends!(Real, -1.5, 0.1), "-1.5", "0.1"),
        (ends!(Float, -2.25, 0.1), "-2.25", "0.1"),
        (
            ends!(Decimal, decimal(false), decimal(true)),
            "-9999999999999999999999999999.9999999999",
            "9999999999999999999999999999.9999999999",
        ),
        (
            ends!(Numeric, numeric(false), numeric(true)),
            "-99999999999999999999999999999999999999",
            "99999999999999999999999999999999999999",
        ),
        (ends!(Money, money(i64::MIN), money(i64::MAX)), "-922337203685477.5808", "922337203685477.5807"),
        (ends!(SmallMoney, i32::MIN.into(), i32::MAX.into()), "-214748.3648", "214748.3647"),
        (
            ends!(Date, SqlDate::create(0).unwrap(), SqlDate::create(LAST_DAY).unwrap()),
            "day 0",
            "day 3652058",
        ),
        (ends!(Time, time(0), time(END)), "time 0", "time 863999999999"),
        (
            ends!(DateTime2, moment(0, 0), moment(LAST_DAY, END)),
            "day 0 time 0",
            "day 3652058 time 863999999999",
        ),
        (
            ends!(DateTimeOffset, zoned(0, 0, 840), zoned(LAST_DAY, END, -840)),
            "day 0 time 0 offset 840",
            "day 3652058 time 863999999999 offset -840",
        ),
        (
            ends!(
                SmallDateTime,
                SqlSmallDateTime { days: 0, time: 0 },
                SqlSmallDateTime { days: u16::MAX, time: 1439 }
            ),
            "day 0 minutes 0",
            "day 65535 minutes 1439",
        ),
        (
            ends!(
                DateTime,
                SqlDateTime { days: -53_690, time: 0 },
                SqlDateTime { days: 2_958_463, time: 25_919_999 }
            ),
            "day -53690 thirds 0",
            "day 2958463 thirds 25919999",
        ),
        (ends!(NVarchar, text(""), text("Grüße 日本 😀"), 40), "", "Grüße 日本 😀"),
        (ends!(NVarcharMax, text(""), text("any length 😀")), "", "any length 😀"),
        (ends!(NChar, text(""), text("日本"), 4), "    ", "日本  "),
        (ends!(Varchar, text(""), text("O'Brien"), 40), "", "O'Brien"),
        (ends!(VarcharMax, text(""), text("any length")), "", "any length"),
        (ends!(Char, text(""), text("abc"), 5), "     ", "abc  "),
        (ends!(VarBinary, vec![], vec![0, 1, 254, 255], 10), "[]", "[0, 1, 254, 255]"),
        (ends!(VarBinaryMax, vec![], vec![7, 0]), "[]", "[7, 0]"),
        (ends!(Binary, vec![], vec![1, 255], 4), "[0, 0, 0, 0]", "[1, 255, 0, 0]"),
        (
            ends!(Uuid, guid(0), guid(0x00112233_4455_6677_8899_aabbccddeeff)),
            "00000000-0000-0000-0000-000000000000",
            "00112233-4455-6677-8899-aabbccddeeff",
        ),
        (
            [SqlType::Int(Some(-1)), SqlType::NVarchar(Some(text("any type")), 20), SqlType::Int(None)]
                .map(|inner| SqlType::Variant(Box::new(inner))),
            "-1",
            "any type",
        ),
        (
            ends!(Xml, "<a/>".to_owned().into(), "<a b=\"日\">c</a>".to_owned().into()),
            "<a/>",
            "<a b=\"日\">c</a>",
        ),
    ]
}

fn parameters(end: usize, status: StatusFlags) -> Vec<RpcParameter> {
    let values = every_type().into_iter().map(|(values, ..)| values.into_iter().nth(end).unwrap());
    values.enumerate().map(|(at, v)| RpcParameter::new(Some(format!("@p{at}")), status, v)).collect()
}

fn wanted(end: usize) -> Vec<&'static str> {
    every_type().iter().map(|(_, low, high)| [*low, *high, "null"][end]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_every_type_both_ways() {
    let practice = practice().await;
    let mut client = connect(&practice, 8000).await;
    let columns: Vec<_> = (0..every_type().len()).map(|at| format!("@p{at} AS c{at}")).collect();
    let statement = format!("SELECT {}", columns.join(", "));
    let mut kinds = Vec::new();
    for end in 0..3 {
        client
            .execute_sp_executesql(statement.clone(), parameters(end, StatusFlags::NONE), ())
            .await
            .unwrap();
        kinds.push(client.get_metadata().iter().map(|m| format!("{:?}", m.data_type)).collect::<Vec<_>>());
        let row = client.next_row().await.unwrap().unwrap();
        for ((value, wanted), column) in row.into_iter().zip(wanted(end)).zip(&columns) {
            assert_eq!(shown(value), wanted, "{column}");
        }
        client.close_query().await.unwrap();
        assert_eq!(client.get_return_status(), Some(0));
    }
    assert!(kinds[0] == kinds[1] && kinds[1] == kinds[2], "{kinds:?}");
    // They are the types that they were sent as, and are computed with as such.
    let typed = "SELECT @p4 - 1 AS whole, @p9 - 0.0001 AS money, DATEADD(day, -1, @p11) AS d, LEN(@p17) AS l,
        DATALENGTH(@p17) AS n, DATALENGTH(@p20) AS v, DATALENGTH(@p23) AS b WHERE @p26 = '00112233-4455-6677-8899-AABBCCDDEEFF'";
    client.execute_sp_executesql(typed.to_owned(), parameters(1, StatusFlags::NONE), ()).await.unwrap();
    let row: Vec<_> = client.next_row().await.unwrap().unwrap().into_iter().map(shown).collect();
    assert_eq!(row, ["9223372036854775806", "922337203685477.5806", "day 3652057", "11", "22", "7", "4"]);
    client.close_query().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_of_every_type() {
    let practice = practice().await;
    let mut client = connect(&practice, 8000).await;
    for end in 0..3 {
        let sent = parameters(end, StatusFlags::BY_REF_VALUE);
        let names: Vec<_> = (0..sent.len()).map(|at| format!("@p{at}")).collect();
        let asked = client.execute_sp_executesql("SELECT 1 AS one".to_owned(), sent, ()).await;
        assert_eq!(walked(&mut client, asked).await, ["one: 1"]);
        let given = client.get_return_values();
        assert_eq!(given.iter().map(|v| v.param_name.clone()).collect::<Vec<_>>(), names);
        for (value, wanted) in given.into_iter().zip(wanted(end)) {
            assert_eq!(shown(value.value), wanted, "{}", value.param_name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_echo_gives_outputs_and_status() {
    let practice = practice().await;
    let long = "naïve Ωmega 😀 ".repeat(600);
    for packet_size in [512, 8000] {
        let mut client = connect(&practice, packet_size).await;
        let named = |name: &str, status, value| RpcParameter::new(Some(name.to_owned()), status, value);
        let given = vec![
            // In another order than the procedure's.
            named("@twice", StatusFlags::BY_REF_VALUE, SqlType::Money(None)),
            named("@number", StatusFlags::NONE, SqlType::Int(Some(-21))),
            named("@money", StatusFlags::NONE, SqlType::Money(Some(money(4_611_686_018_427_387_903)))),
            named("@text", StatusFlags::NONE, SqlType::NVarcharMax(Some(text(&long)))),
            named("@upper", StatusFlags::BY_REF_VALUE, SqlType::NVarcharMax(None)),
            named("@doubled", StatusFlags::BY_REF_VALUE, SqlType::Int(None)),
        ];
        let called = client.execute_stored_procedure("dbo.DEMO_Echo".to_owned(), None, Some(given), ()).await;
        let row = walked(&mut client, called).await;
        assert_eq!(row, [format!("Number,Text,Money: -21,{long},461168601842738.7903")]);
        assert_eq!(client.get_return_status(), Some(7));
        let given = client.get_return_values();
        let outputs: Vec<_> = given.into_iter().map(|v| (v.param_name, shown(v.value))).collect();
        let wanted =
            [("@twice", "922337203685477.5806"), ("@upper", &long.to_uppercase()), ("@doubled", "-42")];
        assert_eq!(outputs, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        // By place, with NULLs, and with outputs that are not wanted.
        let placed = |status, value| RpcParameter::new(None, status, value);
        let given = vec![
            placed(StatusFlags::NONE, SqlType::Int(None)),
            placed(StatusFlags::NONE, SqlType::NVarchar(Some(text("o'brien")), 20)),
            placed(StatusFlags::NONE, SqlType::Money(Some(money(-5000)))),
            placed(StatusFlags::BY_REF_VALUE, SqlType::Int(Some(1))),
            placed(StatusFlags::NONE, SqlType::NVarcharMax(None)),
            placed(StatusFlags::BY_REF_VALUE, SqlType::Money(None)),
        ];
        let called = client.execute_stored_procedure("DEMO_Echo".to_owned(), Some(given), None, ()).await;
        assert_eq!(walked(&mut client, called).await, ["Number,Text,Money: null,o'brien,-0.5000"]);
        let given = client.get_return_values();
        let outputs: Vec<_> = given.into_iter().map(|v| (v.param_ordinal, shown(v.value))).collect();
        assert_eq!(outputs, [(3, "null".to_owned()), (5, "-1.0000".to_owned())]);
    }
}
