//! The driver's traces hold statements, values and messages; the log filter's directive silences them.

use super::common::{Taken, input, login, site, with};
use database::{Login, Terms};
use model::{Access, ParameterType};
use std::{
    io::Write,
    sync::{Arc, Mutex},
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Kept;
    fn make_writer(&'a self) -> Kept {
        self.clone()
    }
}

const CANARIES: [&str; 6] =
    ["canary_text", "canary_value", "canary_words", "canary_name", "canary_secret", "canary_row"];

fn logged(directives: &str) -> String {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_writer(kept.clone())
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let site = site();
        let engine = site.engine();
        let wrong = Login { user: "canary_name".into(), password: "canary_secret".into() };
        assert!(engine.connect(&wrong, "Patients", Access::ReadOnly).is_err());
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let mut session = engine.connect(&login(super::common::WRITER), "Patients", access).unwrap();
            let statement =
                "/* canary_text */ SELECT @v + 'canary_row' AS a; RAISERROR('canary_words', 16, 1)";
            let command = with(statement, vec![input("@v", ParameterType::VarChar, Some("canary_value"))]);
            assert!(session.run(&command, &Terms::default(), &mut Taken::default()).is_err());
            let command = with("SELECT CAST(@v AS int) AS a", command.parameters);
            assert!(session.run(&command, &Terms::default(), &mut Taken::default()).is_err());
        }
    });
    let bytes = kept.0.lock().unwrap().clone();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn with_its_directive_no_log_holds_a_text_a_value_or_a_message() {
    let silent = logged(&format!("trace,{}=off", mssql::SILENCED));
    for canary in CANARIES {
        assert!(!silent.contains(canary), "{canary}");
    }
    // Without it, it would: the directive is needed, and this test can fail.
    let loud = logged("trace");
    assert!(CANARIES.iter().any(|canary| loud.contains(canary)));
}
