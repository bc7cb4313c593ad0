//! The procedures that are ours alone.

use super::*;

#[test]
fn echo_gives_a_row_its_outputs_and_seven() {
    let (demo, mut session) = practice();
    let mut told = Told::default();
    let (int, text, money) = (typed("int", None), typed("nvarchar", None), typed("money", None));
    let given = [
        argument(int, Value::Int(21), false),
        argument(text, Value::Text("naïve Ω"), false),
        argument(typed("varchar", Some(20)), Value::Text("10.05"), false),
        argument(int, Value::Null, true),
        argument(text, Value::Null, true),
        argument(money, Value::Null, true),
    ];
    session.call_procedure("DEMO_Echo", &given, &mut told).unwrap();
    assert_eq!(
        told.lines,
        [
            "[{\"Number\":21,\"Text\":\"naïve Ω\",\"Money\":10.0500}]",
            "output 3 int 42",
            "output 4 nvarchar NAÏVE Ω",
            "output 5 money 20.1000",
            "status 7"
        ]
    );
    let text = "DECLARE @r int, @d int, @t money EXEC @r = DEMO_Echo 4, NULL, -0.5, @d OUTPUT, @twice = @t OUT SELECT @r AS r, @d AS d, @t AS t";
    assert_eq!(batch(&mut session, text).last().unwrap(), "[{\"r\":7,\"d\":8,\"t\":-1.0000}]");
    assert!(batch(&mut session, "EXEC DEMO_Echo 2000000000, '', 0")[0].starts_with("error 8115 "));
    // Through Halo Connect.
    let mut narrow = demo.session(Access::ReadOnly);
    let given = vec![
        parameter("@r", Int, None, Direction::ReturnValue),
        parameter("@number", Int, Some("3"), Direction::Input),
        parameter("@text", VarChar, Some("x"), Direction::Input),
        parameter("@money", ParameterType::Money, Some("1"), Direction::Input),
        parameter("@doubled", Int, None, Direction::Output),
        parameter("@twice", ParameterType::Money, None, Direction::InputOutput),
    ];
    let ask = command("DEMO_Echo", ExecutionMode::NonQuery, CommandType::StoredProcedure, given);
    let done = run(narrow.as_mut(), &ask).unwrap().1;
    let got: Vec<_> = done.outputs.iter().map(|o| o.value.as_ref().unwrap().reveal().clone()).collect();
    assert_eq!(got, ["7", "6", "2.0000"]);
    let seen = common::ask(
        narrow.as_mut(),
        "SELECT name, is_output AS o FROM sys.parameters WHERE object_id = OBJECT_ID('DEMO_Echo') AND parameter_id >= 3 ORDER BY parameter_id",
    );
    assert_eq!(
        seen.unwrap(),
        "[{\"name\":\"@money\",\"o\":false},{\"name\":\"@doubled\",\"o\":true},{\"name\":\"@upper\",\"o\":true},{\"name\":\"@twice\",\"o\":true}]"
    );
}

#[test]
fn types_shows_every_type_at_both_ends_and_null() {
    let (_demo, mut session) = practice();
    let mut told = Told::default();
    session.call_procedure("DEMO_Types", &[], &mut told).unwrap();
    assert_eq!(told.lines.last().unwrap(), "status 0");
    assert_eq!(told.lines.len(), 2, "{:?}", told.lines);
    let row: serde_json::Value = serde_json::from_str(&told.lines[0]).unwrap();
    let row = &row[0];
    for (name, low, high) in [
        ("bit", "false", "true"),
        ("bigint", "-9223372036854775808", "9223372036854775807"),
        ("int", "-2147483648", "2147483647"),
        ("decimal5", "-999.99", "999.99"),
        ("date", "\"0001-01-01T00:00:00\"", "\"9999-12-31T00:00:00\""),
        ("datetime", "\"1753-01-01T00:00:00\"", "\"9999-12-31T23:59:59.997\""),
        ("datetime2", "\"0001-01-01T00:00:00\"", "\"9999-12-31T23:59:59.9999999\""),
        ("smalldatetime", "\"1900-01-01T00:00:00\"", "\"2079-06-06T23:59:00\""),
        ("time", "\"00:00:00\"", "\"23:59:59.9999999\""),
        ("char", "\"          \"", "\"0123456789\""),
        ("binary", "\"AAAAAA==\"", "\"/////w==\""),
        ("varbinary", "\"\"", "\"ASNFZ4mrze8=\""),
    ] {
        assert_eq!(row[format!("{name}_low")].to_string(), low, "{name}");
        assert_eq!(row[format!("{name}_high")].to_string(), high, "{name}");
        assert!(row[format!("{name}_null")].is_null(), "{name}");
    }
    let text = &told.lines[0];
    for exact in [
        "\"money_low\":-922337203685477.5808",
        "\"smallmoney_high\":214748.3647",
        "\"numeric_high\":99999999999999999999999999999999999999",
        "\"decimal38_low\":-9999999999999999999999999999.9999999999",
    ] {
        assert!(text.contains(exact), "{exact}");
    }
    assert_eq!(row["varcharmax_high"].as_str().unwrap().len(), 10_000);
    assert_eq!(row["nvarcharmax_high"].as_str().unwrap().chars().count(), 5_000);
    let mut kinds = told.types.clone();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 29, "{kinds:?}");
}

#[test]
fn results_come_in_their_order() {
    let (_demo, mut session) = practice();
    assert_eq!(
        batch(&mut session, "EXEC DEMO_Results"),
        [
            "[{\"N\":0},{\"N\":1},{\"N\":2}]",
            "print between the first and the second",
            "3 rows",
            "[{\"id\":1,\"word\":\"one\"},{\"id\":2,\"word\":\"two\"},{\"id\":3,\"word\":\"three\"}]",
            "2 rows",
            "print no more than a note: 2 rows changed",
            "1 rows",
            "[]",
            "status 3"
        ]
    );
}

#[test]
fn fail_fails_as_asked() {
    let (_demo, mut session) = practice();
    for (number, wanted) in [
        ("50000", "error 50000 state 5 in DEMO_Fail: Raised on request, state 5."),
        ("60001", "error 60001 state 6 in DEMO_Fail: Thrown on request."),
        ("8134", "error 8134 state 1 in DEMO_Fail: Divide by zero error encountered."),
        (
            "245",
            "error 245 state 1 in DEMO_Fail: Conversion failed when converting the varchar value 'on request' to data type int.",
        ),
        ("208", "error 208 state 1 in DEMO_Fail: Invalid object name 'dbo.NoSuchTable'."),
        ("1", "error 50000 state 1 in DEMO_Fail: DEMO_Fail knows 208, 245, 8134, and from 50000 on."),
    ] {
        assert_eq!(batch(&mut session, &format!("EXEC DEMO_Fail {number}"))[0], wanted);
    }
    let told = batch(&mut session, "DECLARE @r int EXEC @r = DEMO_Fail 8134 SELECT @r AS r");
    assert_eq!(told.last().unwrap(), "[{\"r\":8134}]");
}

#[test]
fn wait_waits_and_can_be_stopped() {
    let (_demo, mut session) = practice();
    assert_eq!(batch(&mut session, "EXEC DEMO_Wait 0")[0], "[{\"Waited\":0}]");
    for seconds in ["-1", "3601", "NULL"] {
        assert!(batch(&mut session, &format!("EXEC DEMO_Wait {seconds}"))[0].contains("3600 seconds"));
    }
    let stopper = session.stopper();
    let thread = std::thread::spawn(move || {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(std::time::Duration::from_millis(100));
        stopper.cancel();
    });
    let given = [argument(typed("int", None), Value::Int(3600), false)];
    let mut told = Told::default();
    assert_eq!(
        session.call_procedure("DEMO_Wait", &given, &mut told),
        Err(practice::events::Broken::Cancelled)
    );
    thread.join().unwrap();
}
