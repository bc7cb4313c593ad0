//! Statements and what they must answer, from `tests/statements/`.
//!
//! `plain.txt` tells the first result set as a command of Halo Connect gets it. All other files tell every event of a
//! batch, in order, as SQL Server itself gives them; a line `# ours:` stands before a case where the demo differs on purpose.
//! `STATEMENTS=strings cargo test -p practice --test statements` runs `strings.txt` alone.

mod common;

use common::{Demo, ask, demo, login};
use database::{
    Column, Failure, Value,
    json::{RowForm, RowWriter},
};
use model::Access;
use practice::events::{ColumnType, Ended, Enough, Events, Message, ResultColumn};
use std::{
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// A statement or batch, and the lines that must come of it.
struct Case {
    line: usize,
    statement: String,
    wanted: Vec<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut statement = String::new();
    let mut from = 0;
    for (line, text) in (1..).zip(text.lines()) {
        match text.strip_prefix("=> ") {
            Some(wanted) if statement.is_empty() => {
                let case = cases.last_mut().expect("an answer follows a statement");
                case.wanted.push(wanted.to_owned());
            }
            Some(wanted) => {
                let statement = std::mem::take(&mut statement);
                cases.push(Case { line: from, statement, wanted: vec![wanted.to_owned()] });
            }
            None if statement.is_empty() && (text.is_empty() || text.starts_with('#')) => {}
            None => {
                if statement.is_empty() {
                    from = line;
                } else {
                    statement.push('\n');
                }
                statement.push_str(text);
            }
        }
    }
    assert!(statement.is_empty(), "a statement without an answer: {statement}");
    cases
}

#[test]
fn every_plain_statement_answers_as_the_file_says() {
    let demo = demo(50);
    let cases = cases(include_str!("statements/plain.txt"));
    assert!(cases.len() >= 80, "{}", cases.len());
    let mut wrong = Vec::new();
    for Case { statement, wanted, .. } in &cases {
        // A session of its own: @@ROWCOUNT and the like start anew.
        let mut session = demo.session(Access::ReadWrite);
        let got = match ask(session.as_mut(), statement) {
            Ok(rows) => rows,
            Err(Failure::Sql(error)) if wanted[0].contains("line") => {
                format!("error {} line {}", error.number, error.line)
            }
            Err(Failure::Sql(error)) => format!("error {}", error.number),
            Err(other) => format!("{other:?}"),
        };
        if *wanted != [got.as_str()] {
            wrong.push(format!("{statement}\n  wanted {}\n  got    {got}", wanted.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Messages that SQL Server sends beside an answer and that say nothing new: "The statement has been terminated.", "Null
/// value is eliminated by an aggregate or other SET operation.", changed database and language.
const BESIDE: &[i32] = &[3621, 8153, 5701, 5703];

/// More events than any case has: a loop that does not end must not hold the suite up.
const MOST: usize = 5000;

#[derive(Default)]
struct Told {
    /// One line an event; an error has several forms, any of which may be wanted.
    lines: Vec<Vec<String>>,
    open: Option<(RowWriter, Vec<u8>)>,
    events: usize,
}

impl Told {
    fn close(&mut self) -> bool {
        let Some((_, json)) = self.open.take() else { return false };
        self.lines.push(vec![format!("[{}]", String::from_utf8_lossy(&json))]);
        true
    }
    fn count(&mut self) -> Result<(), Enough> {
        self.events += 1;
        if self.events > MOST { Err(Enough) } else { Ok(()) }
    }
}

impl Events for Told {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Enough> {
        self.close();
        let columns: Vec<Column> = columns
            .iter()
            .map(|c| Column { name: c.name.clone(), type_name: c.ty.name.to_owned() })
            .collect();
        self.open = Some((RowWriter::new(&columns, RowForm::Array), Vec::new()));
        self.count()
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<(), Enough> {
        let (writer, json) = self.open.as_mut().expect("columns come before rows");
        writer.row(values, json);
        self.count()
    }
    fn ended(&mut self, _: Ended, rows: Option<u64>) -> Result<(), Enough> {
        if !self.close()
            && let Some(rows) = rows
        {
            self.lines.push(vec![format!("{rows} rows")]);
        }
        self.count()
    }
    fn message(&mut self, message: &Message) -> Result<(), Enough> {
        if BESIDE.contains(&message.number) {
            return Ok(());
        }
        // A statement that failed before its first row may or may not have told its columns.
        if matches!(&self.open, Some((_, json)) if json.is_empty()) && message.class > 10 {
            self.open = None;
        }
        self.close();
        let Message { number, line, text, .. } = message;
        self.lines.push(if message.class > 10 {
            let short = format!("error {number}");
            vec![format!("{short} line {line}: {text}"), format!("{short} line {line}"), short]
        } else {
            vec![format!("print {text}")]
        });
        self.count()
    }
    fn output(&mut self, _: usize, _: ColumnType, _: Value<'_>) -> Result<(), Enough> {
        Ok(())
    }
    fn status(&mut self, _: i32) -> Result<(), Enough> {
        Ok(())
    }
    fn database(&mut self, _: &'static str) -> Result<(), Enough> {
        Ok(())
    }
}

/// What the batch told, one line or several forms of a line for each event.
fn told(demo: &Demo, statement: &str) -> Vec<Vec<String>> {
    let mut told = Told::default();
    let mut session =
        demo.engine.log_in(&login("bpsrawdata"), None, Access::ReadWrite).expect("a login that was built in");
    // A panic is a wrong answer like another one, and the statement that made it must be seen.
    match catch_unwind(AssertUnwindSafe(|| session.batch(statement, &mut told))) {
        Ok(Ok(())) => {}
        Ok(Err(broken)) => told.lines.push(vec![format!("{broken:?}")]),
        Err(_) => told.lines.push(vec!["panic".to_owned()]),
    }
    told.close();
    if told.lines.is_empty() {
        told.lines.push(vec!["nothing".to_owned()]);
    }
    told.lines
}

#[test]
fn every_batch_tells_what_sql_server_tells() {
    let demo = demo(50);
    let only = std::env::var("STATEMENTS").ok();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/statements");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut all, mut wrong, mut report) = (0, 0, String::new());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        if name == "plain" || only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let cases = cases(&std::fs::read_to_string(&file).unwrap());
        let (mut failed, mut list) = (0, String::new());
        for Case { line, statement, wanted } in &cases {
            let told = told(&demo, statement);
            let right = told.len() == wanted.len()
                && told.iter().zip(wanted).all(|(got, wanted)| got.contains(wanted));
            if !right {
                failed += 1;
                let got: Vec<&str> = told.iter().map(|forms| forms[0].as_str()).collect();
                let (wanted, got) = (wanted.join("\n         "), got.join("\n         "));
                writeln!(list, "{name}.txt:{line}\n{statement}\n  wanted {wanted}\n  got    {got}\n")
                    .unwrap();
            }
        }
        all += cases.len();
        wrong += failed;
        writeln!(report, "==== {name}: {failed} of {} wrong\n{list}", cases.len()).unwrap();
    }
    assert!(wrong == 0, "{wrong} of {all} wrong\n{report}");
    assert!(only.is_some() || all >= 320, "{all} cases");
}
