//! Which of a command's result sets its caller gets, by the mode it asked for.

use crate::{Column, Part, Sink, Stopped, Value, Wanted};
use model::ExecutionMode;

/// Which result sets a caller can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sets {
    /// One, as the published answer has room for: the first that has a row; when none has, the first of all.
    One,
    /// Each, with its columns.
    All,
}

/// Passes on what the caller gets. `nonQuery` gets nothing, `scalar` the first value of the first row of all.
pub struct Pick<S> {
    /// Who gets it.
    pub inner: S,
    mode: ExecutionMode,
    sets: Sets,
    /// Columns of the present result set, until its first row comes.
    held: Option<Vec<Column>>,
    /// Columns of the first result set, for when no row comes at all.
    first: Option<Vec<Column>>,
    /// The one result set that the caller gets was found.
    found: bool,
    /// The present result set is one that the caller gets.
    given: bool,
    /// Values of the present row that came in parts, before this one.
    at: usize,
}

impl<S: Sink> Pick<S> {
    /// Passes on to `inner`.
    pub fn new(mode: ExecutionMode, sets: Sets, inner: S) -> Self {
        Pick { inner, mode, sets, held: None, first: None, found: false, given: false, at: 0 }
    }

    /// The command has ended well: a caller whose result sets were all empty gets the columns of the first.
    ///
    /// # Errors
    /// As [`Sink::columns`].
    pub fn finish(&mut self) -> Result<(), Stopped> {
        match self.first.take() {
            Some(columns) if !self.found => self.inner.columns(&columns).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// A row begins: whether the caller gets it.
    fn row_begins(&mut self) -> Result<bool, Stopped> {
        if let Some(columns) = self.held.take()
            && !self.found
        {
            (self.found, self.given) = (true, true);
            self.inner.columns(&columns)?;
        }
        Ok(self.given)
    }

    /// What there is after a row.
    fn after(&mut self, wanted: Wanted) -> Wanted {
        match self.mode {
            ExecutionMode::Scalar => {
                self.given = false;
                Wanted::NoMore
            }
            _ => wanted,
        }
    }
}

impl<S: Sink> Sink for Pick<S> {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        self.given = false;
        match (self.mode, self.sets) {
            (ExecutionMode::NonQuery, _) => Ok(Wanted::NoMore),
            (ExecutionMode::Reader, Sets::All) => {
                (self.found, self.given) = (true, true);
                self.inner.columns(columns)
            }
            _ if self.found => Ok(Wanted::NoMore),
            _ => {
                let most = if self.mode == ExecutionMode::Scalar { 1 } else { usize::MAX };
                let columns = columns[..columns.len().min(most)].to_vec();
                self.first.get_or_insert_with(|| columns.clone());
                self.held = Some(columns);
                Ok(Wanted::Rows)
            }
        }
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        if !self.row_begins()? {
            return Ok(Wanted::NoMore);
        }
        let most = if self.mode == ExecutionMode::Scalar { 1 } else { usize::MAX };
        let wanted = self.inner.row(&values[..values.len().min(most)])?;
        Ok(self.after(wanted))
    }

    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        if !self.row_begins()? {
            return Ok(Wanted::NoMore);
        }
        if part == Part::EndOfRow {
            self.at = 0;
            let wanted = self.inner.part(part)?;
            return Ok(self.after(wanted));
        }
        let mine = self.mode != ExecutionMode::Scalar || self.at == 0;
        if matches!(part, Part::Value(_) | Part::EndOfValue) {
            self.at += 1;
        }
        if mine { self.inner.part(part) } else { Ok(Wanted::NoMore) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{RowForm, RowWriter};

    #[derive(Default)]
    struct Taken(Vec<String>, Option<RowWriter>, Vec<u8>);

    impl Sink for Taken {
        fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
            let names: Vec<_> = columns.iter().map(|c| c.name.as_str()).collect();
            self.0.push(names.join(","));
            self.1 = Some(RowWriter::new(columns, RowForm::Lines));
            Ok(Wanted::Rows)
        }
        fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
            let mut out = Vec::new();
            self.1.as_mut().unwrap().row(values, &mut out);
            self.0.push(String::from_utf8(out).unwrap().trim().to_owned());
            Ok(Wanted::Rows)
        }
        fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
            if self.1.as_mut().unwrap().part(part, &mut self.2) {
                self.0.push(String::from_utf8(std::mem::take(&mut self.2)).unwrap().trim().to_owned());
            }
            Ok(Wanted::Rows)
        }
    }

    /// Three result sets: the first is empty, the second has two rows, the third one that comes in parts.
    fn picked(mode: ExecutionMode, sets: Sets) -> Vec<String> {
        let columns = |names: &[&str]| -> Vec<_> {
            names.iter().map(|n| Column { name: (*n).to_owned(), type_name: "int".to_owned() }).collect()
        };
        let mut pick = Pick::new(mode, sets, Taken::default());
        pick.columns(&columns(&["a"])).unwrap();
        pick.columns(&columns(&["b", "c"])).unwrap();
        for n in [1, 2] {
            pick.row(&[Value::Int(n), Value::Null]).unwrap();
        }
        pick.columns(&columns(&["d", "e"])).unwrap();
        let parts =
            [Part::Text("x"), Part::Text("y"), Part::EndOfValue, Part::Value(Value::Int(3)), Part::EndOfRow];
        for part in parts {
            pick.part(part).unwrap();
        }
        pick.finish().unwrap();
        pick.inner.0
    }

    #[test]
    fn each_mode_gets_its_own() {
        use ExecutionMode::{NonQuery, Reader, Scalar};
        let rows = [r#"{"row":{"b":1,"c":null}}"#, r#"{"row":{"b":2,"c":null}}"#];
        assert_eq!(picked(Reader, Sets::One), ["b,c", rows[0], rows[1]]);
        assert_eq!(
            picked(Reader, Sets::All),
            ["a", "b,c", rows[0], rows[1], "d,e", r#"{"row":{"d":"xy","e":3}}"#]
        );
        for sets in [Sets::One, Sets::All] {
            assert_eq!(picked(Scalar, sets), ["b", r#"{"row":{"b":1}}"#]);
            assert!(picked(NonQuery, sets).is_empty());
        }
    }

    #[test]
    fn when_no_result_set_has_a_row_the_first_is_the_one() {
        let mut pick = Pick::new(ExecutionMode::Reader, Sets::One, Taken::default());
        for name in ["a", "b"] {
            pick.columns(&[Column { name: name.to_owned(), type_name: String::new() }]).unwrap();
        }
        pick.finish().unwrap();
        assert_eq!(pick.inner.0, ["a"]);
    }

    #[test]
    fn a_scalar_that_comes_in_parts_is_the_first_value_alone() {
        let mut pick = Pick::new(ExecutionMode::Scalar, Sets::One, Taken::default());
        let column = |name: &str| Column { name: name.to_owned(), type_name: String::new() };
        pick.columns(&[column("a"), column("b")]).unwrap();
        let parts =
            [Part::Binary(b"xy"), Part::EndOfValue, Part::Text("no"), Part::EndOfValue, Part::EndOfRow];
        for part in parts {
            pick.part(part).unwrap();
        }
        assert_eq!(pick.inner.0, ["a", r#"{"row":{"a":"eHk="}}"#]);
    }
}
