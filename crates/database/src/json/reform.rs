//! From rows as they are kept to rows as they are asked for, piece by piece.

use super::RowForm;

/// Makes another form of rows in [`RowForm::Bare`], which come in pieces cut anywhere. Row JSON has no line feed inside.
#[derive(Clone, Debug)]
pub struct Reform {
    form: RowForm,
    first: bool,
    inside: bool,
}

impl Reform {
    /// Into this form.
    pub fn into(form: RowForm) -> Self {
        Reform { form, first: true, inside: false }
    }

    /// Appends what `bare` becomes.
    pub fn push(&mut self, mut bare: &[u8], out: &mut Vec<u8>) {
        if self.form == RowForm::Bare {
            return out.extend_from_slice(bare);
        }
        while !bare.is_empty() {
            if !std::mem::replace(&mut self.inside, true) {
                match self.form {
                    RowForm::Lines => out.extend_from_slice(b"{\"row\":"),
                    RowForm::Array if !self.first => out.push(b','),
                    RowForm::Array | RowForm::Bare => {}
                }
                self.first = false;
            }
            let Some(end) = memchr::memchr(b'\n', bare) else { return out.extend_from_slice(bare) };
            out.extend_from_slice(&bare[..end]);
            if self.form == RowForm::Lines {
                out.extend_from_slice(b"}\n");
            }
            self.inside = false;
            bare = &bare[end + 1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Value, json::RowWriter};

    fn written(form: RowForm) -> Vec<u8> {
        let columns = ["a", "b"].map(|name| Column { name: name.to_owned(), type_name: String::new() });
        let mut writer = RowWriter::new(&columns, form);
        let mut out = Vec::new();
        for text in ["plain", "line\nfeed", "}{\"", ""] {
            writer.row(&[Value::Int(1), Value::Text(text)], &mut out);
        }
        out
    }

    #[test]
    fn kept_rows_become_what_would_have_been_written_however_they_are_cut() {
        let bare = written(RowForm::Bare);
        for form in [RowForm::Array, RowForm::Lines, RowForm::Bare] {
            for size in 1..bare.len() + 1 {
                let (mut reform, mut out) = (Reform::into(form), Vec::new());
                bare.chunks(size).for_each(|piece| reform.push(piece, &mut out));
                assert_eq!(out, written(form), "{form:?} in pieces of {size}");
            }
        }
    }
}
