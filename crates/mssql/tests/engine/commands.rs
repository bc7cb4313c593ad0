//! What a command gives: rows, result sets, counts, errors.

use super::common::{self, Taken, input, number, procedure, rows, run, site, text, with};
use database::{Column, Dialect, Failure, Part, Sink, Stopped, Terms, Value, Wanted};
use model::ParameterType;

#[test]
fn a_statement_gives_columns_with_the_servers_own_types_and_its_rows() {
    let site = site();
    let mut session = site.writer();
    let mut taken = Taken::default();
    let statement = "SELECT CAST(1 AS int) AS id, CAST(N'é😀' AS nvarchar(20)) AS wide, CAST('Zoë' AS varchar(9)) AS narrow,
        CAST(12.50 AS decimal(9, 2)) AS amount, CAST(NULL AS date) AS nothing";
    let done = session.run(&text(statement), &Terms::default(), &mut taken).unwrap();
    assert_eq!(taken.told[0], "id,wide,narrow,amount,nothing");
    assert_eq!(taken.told[1], r#"{"id":1,"wide":"é😀","narrow":"Zoë","amount":12.50,"nothing":null}"#);
    assert_eq!(taken.types, ["int", "nvarchar", "varchar", "decimal", "date"]);
    assert_eq!((done.rows_affected, done.outputs.len()), (None, 0));
}

#[test]
fn every_result_set_comes_also_an_empty_one() {
    let site = site();
    let mut session = site.writer();
    let (told, _) =
        run(&mut *session, &text("SELECT 1 AS a WHERE 1 = 0; SELECT 2 AS b; PRINT 'x'; SELECT 3 AS c"))
            .unwrap();
    assert_eq!(told, ["a", "b", r#"{"b":2}"#, "c", r#"{"c":3}"#]);
    let (told, done) = run(&mut *session, &procedure("DEMO_Results", vec![])).unwrap();
    assert_eq!(told.iter().filter(|line| !line.starts_with('{')).count(), 3, "{told:?}");
    assert!(done.outputs.is_empty());
}

#[test]
fn a_sink_that_wants_no_more_rows_gets_the_next_set_and_the_command_its_end() {
    let site = site();
    let mut session = site.writer();
    let mut taken = Taken { most: Some(2), ..Taken::default() };
    let statement = "SELECT TOP 1000 N FROM Numbers ORDER BY N; SELECT 7 AS b";
    session.run(&text(statement), &Terms::default(), &mut taken).unwrap();
    assert_eq!(taken.told.len(), 5, "{:?}", taken.told);
    assert_eq!(taken.told[3..], ["b", r#"{"b":7}"#]);
}

#[test]
fn rows_affected_are_those_written_not_those_read() {
    let site = site();
    let mut session = site.writer();
    let affected = |session: &mut dyn database::Session, statement: &str| {
        run(session, &text(statement)).unwrap().1.rows_affected
    };
    assert_eq!(affected(&mut *session, "SELECT TOP 5 N FROM Numbers"), None);
    assert_eq!(affected(&mut *session, "DECLARE @n int = 1; SET @n = 2"), None);
    let written =
        "CREATE TABLE #t (a int); INSERT INTO #t VALUES (1), (2), (3); UPDATE #t SET a = 9 WHERE a > 1;
        SELECT a FROM #t; DELETE FROM #t WHERE a = 1";
    assert_eq!(affected(&mut *session, written), Some(6));
    assert_eq!(
        affected(&mut *session, "SET NOCOUNT ON; CREATE TABLE #t (a int); INSERT INTO #t VALUES (1)"),
        None
    );
    assert_eq!(affected(&mut *session, "UPDATE PATIENTS SET SURNAME = SURNAME WHERE 1 = 0"), Some(0));
}

#[test]
fn an_error_has_the_servers_number_state_class_line_and_words_and_the_next_command_is_right() {
    let site = site();
    let mut session = site.writer();
    for round in 0..3 {
        let failed =
            run(&mut *session, &text("SELECT 1 AS a;\nRAISERROR('no %s', 16, 7, 'way');\nSELECT 2 AS b"));
        let Err(Failure::Sql(error)) = failed else { panic!("{failed:?}") };
        assert_eq!((error.dialect, error.number, error.state, error.class), (Dialect::Mssql, 50_000, 7, 16));
        assert_eq!((error.line, error.message.reveal().as_str()), (2, "no way"));
        assert_eq!(rows(&mut *session, &format!("SELECT {round} AS a")), [format!("{{\"a\":{round}}}")]);
        assert_eq!(number(run(&mut *session, &text("SELECT nothing FROM nowhere"))), 208);
        // In the middle of the rows.
        let failed =
            run(&mut *session, &text("SELECT 10 / (5 - N) AS a FROM Numbers WHERE N < 9 ORDER BY N"));
        assert_eq!(number(failed), 8134);
        assert_eq!(number(run(&mut *session, &procedure("nowhere", vec![]))), 2812);
        let with_rows = "SELECT 1 AS a; SELECT 2 AS b; RAISERROR('late', 16, 1)";
        assert_eq!(number(run(&mut *session, &text(with_rows))), 50_000);
        session.ping().unwrap();
    }
}

#[test]
fn a_hundred_thousand_rows_come_whole_and_in_order() {
    let site = site();
    let mut session = site.writer();
    let statement =
        "SELECT TOP 100000 a.N * 10000 + b.N AS n, 'text of ' + CAST(b.N AS varchar(10)) AS t FROM Numbers a
        CROSS JOIN Numbers b WHERE a.N < 100 AND b.N < 10000 ORDER BY a.N, b.N";
    let told = rows(&mut *session, statement);
    assert_eq!(told.len(), 100_000);
    let first: i64 = told[0][5..].split(',').next().unwrap().parse().unwrap();
    for (at, row) in told.iter().enumerate().step_by(997) {
        assert!(row.contains("\"t\":\"text of "), "{at}: {row}");
    }
    assert!(told[99_999].starts_with("{\"n\":") && first >= 0);
}

#[test]
fn values_of_any_length_come_whole_small_ones_in_rows_and_large_ones_in_parts() {
    let site = site();
    let mut session = site.writer();
    for (length, parted) in [(0, 0), (1, 0), (4001, 0), (32_000, 0), (40_000, 1), (3_000_000, 1)] {
        let statement =
            "SELECT 1 AS before, REPLICATE(CAST(N'aé😀' AS nvarchar(max)), @n) AS wide, 2 AS between,
            REPLICATE(CAST('xyzé' AS varchar(max)), @n) AS narrow, CAST(NULL AS varchar(max)) AS nothing,
            CAST(REPLICATE(CAST('b' AS varchar(max)), @n) AS varbinary(max)) AS bytes, 3 AS after";
        let command = with(statement, vec![input("n", ParameterType::Int, Some(&(length / 4).to_string()))]);
        let mut taken = Taken::default();
        session.run(&command, &Terms::default(), &mut taken).unwrap();
        assert_eq!(taken.parted, parted, "{length}");
        let n = length / 4;
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.encode("b".repeat(n));
        let wanted = format!(
            "{{\"before\":1,\"wide\":\"{}\",\"between\":2,\"narrow\":\"{}\",\"nothing\":null,\"bytes\":\"{bytes}\",\"after\":3}}",
            "aé😀".repeat(n),
            "xyzé".repeat(n)
        );
        assert!(taken.told[1] == wanted, "{length}");
    }
    // Several rows of them, and the next command after.
    let statement = "SELECT N, REPLICATE(CAST('x' AS varchar(max)), N * 40000) AS t FROM Numbers WHERE N BETWEEN 1 AND 4 ORDER BY N";
    let lengths: Vec<_> = rows(&mut *session, statement).iter().map(|row| row.len() / 40_000).collect();
    assert_eq!(lengths, [1, 2, 3, 4]);
    assert_eq!(rows(&mut *session, "SELECT 5 AS a"), [r#"{"a":5}"#]);
}

#[test]
fn sixty_four_megabytes_stream_in_small_pieces() {
    struct Pieces(usize, usize);
    impl Sink for Pieces {
        fn columns(&mut self, _: &[Column]) -> Result<Wanted, Stopped> {
            Ok(Wanted::Rows)
        }
        fn row(&mut self, _: &[Value<'_>]) -> Result<Wanted, Stopped> {
            panic!("a value of this size is no ordinary row")
        }
        fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
            let length = match part {
                Part::Text(text) => text.len(),
                Part::Binary(bytes) => bytes.len(),
                _ => 0,
            };
            self.0 += length;
            self.1 = self.1.max(length);
            Ok(Wanted::Rows)
        }
    }
    let site = site();
    let mut session = site.writer();
    let mut pieces = Pieces(0, 0);
    let statement = "SELECT REPLICATE(CAST('0123456789abcdef' AS varchar(max)), 4194304) AS large";
    session.run(&text(statement), &Terms::default(), &mut pieces).unwrap();
    assert_eq!(pieces.0, 64 << 20);
    assert!(pieces.1 <= 96 * 1024, "{}", pieces.1);
}

#[test]
fn a_loop_of_many_statements_comes_to_its_end() {
    let site = site();
    let mut session = site.writer();
    let count = "SET NOCOUNT ON; DECLARE @n int = 0; WHILE @n < 20000 SET @n = @n + 1; SELECT @n AS n";
    assert_eq!(rows(&mut *session, count), [r#"{"n":20000}"#]);
}

#[test]
fn the_catalogue_is_the_database_and_what_a_text_uses_ends_with_it() {
    let site = site();
    let engine = site.engine();
    assert!(engine.catalogues()[0].is_default);
    let login = common::login(common::WRITER);
    let mut drugs = engine.connect(&login, "drugs", model::Access::ReadWrite).unwrap();
    assert_eq!(rows(&mut *drugs, "SELECT DB_NAME() AS db"), [r#"{"db":"BPSDrugs"}"#]);
    run(&mut *drugs, &text("USE BPSPatients")).unwrap();
    assert_eq!(rows(&mut *drugs, "SELECT DB_NAME() AS db"), [r#"{"db":"BPSDrugs"}"#]);
    assert_eq!(
        engine.connect(&login, "nowhere", model::Access::ReadWrite).map(|_| ()),
        Err(Failure::Catalogue)
    );
}

/// It came as a lost connection, whose outcome nobody knows: the caller could not tell that nothing was run.
#[test]
fn a_text_sent_as_a_procedures_name_is_an_unknown_procedure_and_the_session_goes_on() {
    let site = site();
    let mut session = site.writer();
    let long = format!("SELECT '{}'", "x".repeat(600));
    assert_eq!(number(run(&mut *session, &procedure(&long, vec![]))), 2812);
    assert_eq!(rows(&mut *session, "SELECT 1 AS a"), [r#"{"a":1}"#]);
}
