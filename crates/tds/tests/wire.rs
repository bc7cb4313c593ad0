//! The reading side without I/O: any bytes, and what the server itself writes.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    raw::{batch, call, headers, int_value, login7, packet, parameter, prelogin, text_value},
    samples::{samples, ty},
};
use database::{Date, Time, Value};
use proptest::prelude::*;
use tds::{
    Kind, Version,
    wire::{
        Assembler, Budget, Limits, Owned, Reader, Wrong, login, prelogin as hello, read_type, read_value,
        request, rpc,
    },
    write_value,
};

fn bad(what: String) -> Wrong {
    Wrong::Parameter { parameter: 1, name: String::new(), what }
}

/// Written as an output value, read as a parameter.
fn around(ty: &practice::events::ColumnType, value: &Value<'_>) -> Owned {
    let mut bytes = Vec::new();
    write_value(ty, value, Version::V74, &mut bytes).unwrap();
    let mut reader = Reader::new(&bytes);
    let (form, _) = read_type(&mut reader, &bad).unwrap();
    let back = read_value(&mut reader, form, &bad).unwrap();
    assert!(reader.is_empty(), "{} leaves bytes over", ty.name);
    back
}

#[test]
fn what_is_written_reads_back_at_the_ends_of_every_type() {
    for sample in samples() {
        for value in [sample.low, sample.high, Value::Null] {
            let back = around(&sample.ty, &value);
            assert_eq!(back.view(), value, "{}", sample.name);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_a_byte_is_written() {
    let date = |year, month, day| Date { year, month, day };
    let wrong: Vec<(&'static str, Value<'static>)> = vec![
        ("tinyint", Value::Int(256)),
        ("tinyint", Value::Int(-1)),
        ("smallint", Value::Int(40_000)),
        ("int", Value::Int(1 << 31)),
        ("int", Value::Text("7")),
        ("decimal(4,2)", Value::Decimal("100.00")),
        ("decimal(4,2)", Value::Decimal("1.005")),
        ("decimal(38,0)", Value::Decimal("100000000000000000000000000000000000000")),
        ("decimal(4,2)", Value::Decimal("1e2")),
        ("money", Value::Decimal("922337203685477.5808")),
        ("smallmoney", Value::Decimal("214748.3648")),
        ("datetime", Value::DateTime(date(1752, 12, 31), Time(0))),
        ("smalldatetime", Value::DateTime(date(2079, 6, 7), Time(0))),
        ("datetimeoffset(7)", Value::DateTimeOffset(date(1, 1, 1), Time(0), 60)),
        ("time(7)", Value::Time(Time(Time::DAY))),
        ("uniqueidentifier", Value::Text("no")),
        ("varchar(3)", Value::Text("four")),
        ("nvarchar(1)", Value::Text("😀")),
        ("binary(2)", Value::Binary(&[0; 3])),
        ("varbinary", Value::Text("text")),
    ];
    for (declared, value) in wrong {
        let mut bytes = Vec::new();
        assert!(
            write_value(&ty(declared), &value, Version::V74, &mut bytes).is_err(),
            "{declared} {value:?}"
        );
        assert!(bytes.is_empty());
    }
}

#[test]
fn what_code_page_1252_lacks_becomes_a_question_mark() {
    let text = Value::Text("日本 € 😀");
    assert_eq!(around(&ty("varchar(20)"), &text), Owned::Text("?? € ??".to_owned()));
}

#[test]
fn datetime_is_rounded_to_three_hundredths_of_a_second() {
    let day = Date { year: 2026, month: 2, day: 3 };
    let at = |ticks| Value::DateTime(day, Time(ticks));
    assert_eq!(around(&ty("datetime"), &at(50_000)).view(), at(70_000));
    assert_eq!(around(&ty("datetime"), &at(10_000)).view(), at(0));
    // Up to the next day.
    let next = Value::DateTime(Date { day: 4, ..day }, Time(0));
    assert_eq!(around(&ty("datetime"), &at(Time::DAY - 1)).view(), next);
    assert_eq!(around(&ty("smalldatetime"), &at(Time::DAY - 30 * Time::SECOND)).view(), next);
}

#[test]
fn old_versions_get_what_they_know() {
    for (declared, then) in [
        ("date", Kind::Wide { fixed: false, size: 20 }),
        ("datetimeoffset(7)", Kind::Wide { fixed: false, size: 68 }),
        ("varchar", Kind::Text),
        ("nvarchar", Kind::NText),
        ("xml", Kind::NText),
        ("varbinary", Kind::Image),
        ("datetime", Kind::DateTime { size: 8 }),
    ] {
        assert_eq!(Kind::of(&ty(declared), Version::V71), then, "{declared}");
    }
    assert_eq!(Kind::of(&ty("date"), Version::V72), Kind::Wide { fixed: false, size: 20 });
    assert_eq!(Kind::of(&ty("date"), Version::V73A), Kind::Date);
}

/// The messages' contents.
fn assemble(bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, Wrong> {
    let mut assembler = Assembler::new(Limits::default(), &Budget::new(4 << 20));
    let mut messages = Vec::new();
    for mut piece in bytes.chunks(piece.max(1)) {
        while !piece.is_empty() {
            if let Some(m) = assembler.take(&mut piece)? {
                messages.push(m.bytes);
            }
        }
    }
    Ok(messages)
}

#[test]
fn a_message_over_its_limit_is_refused_at_the_header_that_goes_over_it() {
    let limits = Limits { login: 100, batch: 1000, call: 5 << 20 };
    let mut assembler = Assembler::new(limits, &Budget::new(2 << 20));
    let mut sent = 0;
    let refused = loop {
        match assembler.take(&mut &packet(1, 0, &[0; 90])[..]) {
            Ok(None) => sent += 90,
            other => break other.unwrap_err(),
        }
    };
    assert_eq!((refused, sent), (Wrong::TooLong, 990));
    // Over a megabyte a message is paid for out of what all share.
    let budget = Budget::new(2 << 20);
    let fill = |assembler: &mut Assembler| {
        (0..).find(|_| assembler.take(&mut &packet(3, 0, &[0; 32_000])[..]).is_err()).unwrap() * 32_000
    };
    let mut first = Assembler::new(limits, &budget);
    let taken = fill(&mut first);
    assert!((3 << 20) - 64_000 < taken && taken < (3 << 20) + 64_000, "{taken}");
    assert!(fill(&mut Assembler::new(limits, &budget)) < (1 << 20) + 64_000, "nothing is left");
    drop(first);
    assert!(fill(&mut Assembler::new(limits, &budget)) > 2 << 20, "given back");
}

#[test]
fn login_reads_what_a_client_writes_and_nothing_else() {
    let good = login7(0x7400_0004, 8192, "kim", "öpen €", "BPSDrugs");
    let login = login::parse(&good).unwrap();
    assert_eq!((login.user.reveal().as_str(), login.password.reveal().as_str()), ("kim", "öpen €"));
    assert_eq!((login.database.as_str(), login.packet_size, login.version), ("BPSDrugs", 8192, Version::V74));
    assert!(!format!("{login:?}").contains("pen"), "a password is not shown");
    assert!(login::parse(&login7(0x7000_0000, 0, "a", "b", "")).is_err(), "7.0");
    assert!(login::parse(&login7(0x7400_0004, 0, &"a".repeat(129), "b", "")).is_err(), "a name too long");
    let mut outside = good.clone();
    outside[40] = 0xFF;
    outside[41] = 0xFF;
    assert!(login::parse(&outside).is_err(), "a place outside the message");
}

#[test]
fn calls_are_read_one_by_one_up_to_a_broken_one() {
    let mut bytes = headers();
    bytes
        .extend(call(Ok(10), &[parameter("", 0, &text_value("echo")), parameter("@p", 1, &int_value(None))]));
    bytes.push(0xFF);
    bytes.extend(call(Err("BP_Echo"), &[parameter("@x", 2, &int_value(Some(5)))]));
    bytes.push(0xFF);
    bytes.extend(call(Err("BP_Table"), &[parameter("@t", 0, &[0xF4, 0, 0, 0])]));
    bytes.push(0xFF);
    bytes.extend(call(Err("BP_Never"), &[]));
    let calls: Vec<_> = rpc::Calls::new(&bytes, Version::V74).unwrap().collect();
    assert_eq!(calls.len(), 3);
    let first = calls[0].as_ref().unwrap();
    assert_eq!(first.procedure, rpc::Procedure::Id(10));
    assert!(first.parameters[1].output && first.parameters[1].value == Owned::Null);
    let second = calls[1].as_ref().unwrap();
    assert!(second.parameters[0].default && second.parameters[0].value == Owned::Int(5));
    let Err(Wrong::Parameter { parameter: 1, what, .. }) = &calls[2] else { panic!("{:?}", calls[2]) };
    assert!(what.contains("json"));
}

/// A table-valued parameter of these columns, each a type and a value in the form of an output value.
fn table(name: &str, columns: &[Vec<u8>], rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = vec![0xF3, 0, 3];
    bytes.extend("dbo".encode_utf16().flat_map(u16::to_le_bytes));
    bytes.push(name.len() as u8);
    bytes.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    if columns.is_empty() {
        bytes.extend([0xFF, 0xFF]);
    } else {
        bytes.extend((columns.len() as u16).to_le_bytes());
    }
    for column in columns {
        bytes.extend([0, 0, 0, 0, 1, 0]);
        bytes.extend(column);
        bytes.push(0);
    }
    // A hint, and the end of hints.
    if !columns.is_empty() {
        bytes.extend([0x10, 1, 0, 1, 0, 1]);
    }
    bytes.push(0);
    for row in rows {
        bytes.push(1);
        row.iter().for_each(|cell| bytes.extend(cell));
    }
    bytes.push(0);
    bytes
}

/// Type and value of an output value apart.
fn apart(ty: &practice::events::ColumnType, value: &Value<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = Vec::new();
    write_value(ty, value, Version::V74, &mut bytes).unwrap();
    let mut reader = Reader::new(&bytes);
    read_type(&mut reader, &bad).unwrap();
    let at = bytes.len() - reader.rest().len();
    let value = bytes.split_off(at);
    (bytes, value)
}

fn called_with(bytes: &[u8]) -> Result<rpc::Call, Wrong> {
    let message = [
        headers(),
        call(Err("BP_Table"), &[parameter("@t", 0, bytes), parameter("@n", 0, &int_value(Some(9)))]),
    ]
    .concat();
    rpc::Calls::new(&message, Version::V74).unwrap().next().unwrap()
}

#[test]
fn a_table_of_every_type_reads_back_row_by_row() {
    let samples = samples();
    let types: Vec<_> = samples.iter().map(|s| apart(&s.ty, &s.low).0).collect();
    let row = |pick: &dyn Fn(usize) -> Value<'static>| -> Vec<Vec<u8>> {
        samples.iter().enumerate().map(|(at, s)| apart(&s.ty, &pick(at)).1).collect()
    };
    let rows = [row(&|at| samples[at].low), row(&|at| samples[at].high), row(&|_| Value::Null)];
    let read = called_with(&table("Everything", &types, &rows)).unwrap();
    let [first, after] = read.parameters.as_slice() else { panic!() };
    assert_eq!(after.value, Owned::Int(9));
    let table = first.table.as_ref().unwrap();
    assert_eq!(
        (table.type_name.as_str(), table.columns.len(), table.rows.len()),
        ("dbo.Everything", types.len(), 3)
    );
    let view = table.view();
    for (at, sample) in samples.iter().enumerate() {
        assert_eq!(view.rows[0][at], sample.low, "{}", sample.name);
        assert_eq!(view.rows[1][at], sample.high, "{}", sample.name);
        assert_eq!(view.rows[2][at], Value::Null, "{}", sample.name);
    }
}

#[test]
fn a_table_may_have_no_rows_or_be_null_and_a_wrong_one_is_refused() {
    let int = vec![0x26, 4];
    let empty = called_with(&table("T", std::slice::from_ref(&int), &[])).unwrap();
    assert_eq!(empty.parameters[0].table.as_ref().unwrap().columns.len(), 1);
    let null = called_with(&table("T", &[], &[])).unwrap();
    let null = null.parameters[0].table.as_ref().unwrap();
    assert!(null.columns.is_empty() && null.rows.is_empty());
    // Rows of a table without columns; a table within a table; one that ends too early.
    let mut rows = table("T", &[], &[]);
    rows.pop();
    rows.extend([1, 0]);
    assert!(matches!(called_with(&rows), Err(Wrong::Malformed(_))));
    let nested = called_with(&table("T", &[table("U", std::slice::from_ref(&int), &[])], &[]));
    assert!(matches!(nested, Err(Wrong::Parameter { parameter: 1, .. })), "{nested:?}");
    let whole = table("T", std::slice::from_ref(&int), &[vec![vec![4, 1, 0, 0, 0]]]);
    let message = [headers(), call(Err("BP_Table"), &[parameter("@t", 0, &whole)])].concat();
    for cut in 1..whole.len() {
        let calls: Vec<_> = rpc::Calls::new(&message[..message.len() - cut], Version::V74).unwrap().collect();
        assert!(calls.last().unwrap().is_err(), "{cut}");
    }
    // Small values do not grow without end.
    let million: Vec<_> = (0..2_000_001).map(|_| vec![vec![0u8]]).collect();
    let Err(Wrong::Parameter { what, .. }) = called_with(&table("T", &[int], &million)) else { panic!() };
    assert!(what.contains("2000000"), "{what}");
}

#[test]
fn bytes_of_a_clients_own_type_are_bytes() {
    let mut own = vec![0xF0, 0, 0, 1, b'P', 0];
    own.extend(3u64.to_le_bytes());
    own.extend([3, 0, 0, 0, 7, 8, 9, 0, 0, 0, 0]);
    let read = called_with(&own).unwrap();
    assert_eq!(
        (read.parameters[0].ty.name, &read.parameters[0].value),
        ("varbinary", &Owned::Binary(vec![7, 8, 9]))
    );
}

/// Everything there is, over any bytes.
fn read_all(bytes: &[u8]) {
    for version in [Version::V71, Version::V72, Version::V74] {
        let _ = request::batch(bytes, version);
        let _ = request::transaction(bytes, version);
        if let Ok(calls) = rpc::Calls::new(bytes, version) {
            assert!(calls.take(100).count() <= 100);
        }
    }
    let _ = hello::parse(bytes);
    let _ = login::parse(bytes);
}

fn any_date() -> impl Strategy<Value = Date> {
    (1..=9999u16, 1..=12u8, 1..=28u8).prop_map(|(year, month, day)| Date { year, month, day })
}

proptest! {
    #[test]
    fn packets_give_the_same_messages_however_they_are_cut(
        contents in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..600), 1..200usize), 1..6),
        piece in 1..700usize,
    ) {
        let mut bytes = Vec::new();
        for (content, size) in &contents {
            let pieces: Vec<&[u8]> = if content.is_empty() { vec![&[]] } else { content.chunks(*size).collect() };
            for (at, part) in pieces.iter().enumerate() {
                bytes.extend(packet(1, u8::from(at + 1 == pieces.len()), part));
            }
        }
        let messages = assemble(&bytes, piece).unwrap();
        prop_assert_eq!(messages.len(), contents.len());
        for (message, (content, _)) in messages.iter().zip(&contents) {
            prop_assert_eq!(message, content);
        }
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
        let _ = assemble(&bytes, 7);
    }

    #[test]
    fn no_change_of_a_good_message_makes_them_panic(at in 0..2000usize, to in any::<u8>(), cut in 0..2000usize) {
        let typed: Vec<_> = samples().iter().map(|s| {
            let mut bytes = Vec::new();
            write_value(&s.ty, &s.high, Version::V74, &mut bytes).unwrap();
            parameter("@p", 1, &bytes)
        }).collect();
        let mut whole = headers();
        whole.extend(call(Ok(10), &typed));
        let columns: Vec<_> = samples().iter().map(|s| apart(&s.ty, &s.high)).collect();
        let (types, cells): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let rows = table("T", &types, &[cells.clone(), cells]);
        let tables = [headers(), call(Err("BP_Table"), &[parameter("@t", 0, &rows)])].concat();
        for mut good in [tables, whole, batch("SELECT 1"), login7(0x7400_0004, 0, "u", "p", "d"), prelogin(1)] {
            let length = good.len();
            good[at % length] = to;
            read_all(&good);
            good.truncate(cut % length);
            read_all(&good);
        }
    }

    #[test]
    fn numbers_come_back_exactly(magnitude in 0..10u128.pow(38), negative in any::<bool>(), scale in 0..=38u8) {
        let digits = format!("{magnitude:0width$}", width = usize::from(scale) + 1);
        let (whole, part) = digits.split_at(digits.len() - usize::from(scale));
        let sign = if negative && magnitude > 0 { "-" } else { "" };
        let text = if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") };
        let mut ty = ty("decimal(38,0)");
        ty.scale = scale;
        prop_assert_eq!(around(&ty, &Value::Decimal(&text)), Owned::Decimal(text));
    }

    #[test]
    fn moments_come_back_exactly(date in any_date(), ticks in 0..Time::DAY, minutes in -840..=840i16, scale in 0..=7u8) {
        let unit = 10u64.pow(7 - u32::from(scale));
        let time = Time(ticks / unit * unit);
        let mut ty = ty("datetime2(7)");
        ty.scale = scale;
        let plain = Value::DateTime(date, time);
        let back = around(&ty, &plain);
        prop_assert_eq!(back.view(), plain);
        ty.name = "datetimeoffset";
        let offset = Value::DateTimeOffset(date, time, minutes);
        if (2..9999).contains(&date.year) {
            let back = around(&ty, &offset);
            prop_assert_eq!(back.view(), offset);
        }
        ty.name = "date";
        let back = around(&ty, &Value::Date(date));
        prop_assert_eq!(back.view(), Value::Date(date));
    }

    #[test]
    fn texts_come_back_exactly(text in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(around(&ty("nvarchar(120)"), &Value::Text(&text)), Owned::Text(text.clone()));
        prop_assert_eq!(around(&ty("nvarchar"), &Value::Text(&text)), Owned::Text(text));
        prop_assert_eq!(around(&ty("varbinary"), &Value::Binary(&bytes)), Owned::Binary(bytes));
    }
}
