//! Temporary tables and table variables: CREATE, DROP, TRUNCATE, ALTER … ADD, indexes.

use super::{
    cut::near,
    program::{Action, Shape, ShapeColumn, Temp},
    scope::{Field, Source, quote},
    statement::Reader,
};
use crate::{
    fault::fault,
    table_type::{self, TableType},
};
use database::SqlError;
use sqlparser::tokenizer::Token;
use std::sync::Arc;

/// Most columns of a table.
const WIDEST: usize = 1024;

impl Reader<'_> {
    pub(super) fn create(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let line = self.compiler.line;
        let denied = |what: &str| {
            fault(262, line, format!("CREATE {what} permission denied in database 'BPSPatients'."))
        };
        if self.word("TABLE") {
            let name = self.parser.parse_object_name(false);
            let name = self.expect(name)?;
            let parts = self.compiler.parts(&name)?;
            let last = parts.last().map(|p| p.value.clone()).unwrap_or_default();
            if !last.starts_with('#') {
                return Err(denied("TABLE"));
            }
            let mut shape = self.shape()?;
            shape.name = last;
            return Ok(vec![Action::Create { shape }]);
        }
        if self.word("OR") {
            self.word("ALTER");
        }
        let unique = self.word("UNIQUE");
        while self.word("CLUSTERED") || self.word("NONCLUSTERED") {}
        if self.word("INDEX") {
            self.identifier()?;
            if !self.word("ON") {
                return Err(self.near_next());
            }
            let name = self.parser.parse_object_name(false);
            let name = self.expect(name)?;
            let parts = self.compiler.parts(&name)?;
            let table = self.compiler.temp_of(&parts).ok_or_else(|| match parts.last() {
                Some(p) if p.value.starts_with('#') => self.compiler.invalid_object(&parts),
                _ => fault(
                    1088,
                    line,
                    "Cannot find the object because it does not exist or you do not have permissions.",
                ),
            })?;
            let columns = self.key_columns()?;
            let columns = columns
                .into_iter()
                .map(|(c, descending)| Ok((self.compiler.temp_column(&table, &c)?, descending)))
                .collect::<Result<_, SqlError>>()?;
            if self.word("INCLUDE") {
                self.key_columns()?;
            }
            if !self.ends() {
                return Err(self.compiler.no("CREATE INDEX … WITH or WHERE"));
            }
            return Ok(vec![Action::Index { table: table.inner.clone(), unique, columns }]);
        }
        let word = super::cut::word_of(Some(&self.parser.peek_token())).unwrap_or_default();
        self.skip();
        Err(denied(if word == "PROC" { "PROCEDURE" } else { &word }))
    }

    /// `(a int NOT NULL, …)`.
    fn shape(&mut self) -> Result<Shape, SqlError> {
        let mut shape = Shape::default();
        self.need(&Token::LParen)?;
        loop {
            self.element(&mut shape)?;
            if shape.columns.len() > WIDEST {
                return Err(fault(1702, self.compiler.line, "A table can have at most 1024 columns."));
            }
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
            if self.parser.peek_token_ref().token == Token::RParen {
                break;
            }
        }
        self.need(&Token::RParen)?;
        if self.word("ON") || self.word("WITH") {
            return Err(self.compiler.no("CREATE TABLE … ON or WITH"));
        }
        let names = ["rowid", "_rowid_", "oid"];
        if names.iter().all(|n| shape.columns.iter().any(|c| c.name.eq_ignore_ascii_case(n))) {
            return Err(self.compiler.no("a table with columns rowid, _rowid_ and oid"));
        }
        for (primary, names) in &shape.keys {
            for name in names {
                let column = shape.columns.iter_mut().find(|c| c.name.eq_ignore_ascii_case(name));
                let column = column.ok_or_else(|| {
                    fault(
                        1911,
                        self.compiler.line,
                        format!("Column name '{name}' does not exist in the target table or view."),
                    )
                })?;
                if *primary {
                    column.nullable = false;
                }
            }
        }
        Ok(shape)
    }

    fn element(&mut self, shape: &mut Shape) -> Result<(), SqlError> {
        if self.word("CONSTRAINT") {
            self.identifier()?;
        }
        if self.word("PRIMARY") || self.peek_word(0, "UNIQUE") {
            let primary = !self.word("UNIQUE");
            if primary && !self.word("KEY") {
                return Err(self.near_next());
            }
            while self.word("CLUSTERED") || self.word("NONCLUSTERED") {}
            let columns = self.key_columns()?;
            shape.keys.push((primary, columns.into_iter().map(|(c, _)| c).collect()));
            return Ok(());
        }
        if self.word("CHECK") {
            let check = self.check(shape)?;
            shape.checks.push(check);
            return Ok(());
        }
        if self.peek_word(0, "INDEX") || self.peek_word(0, "FOREIGN") {
            let what = self.parser.next_token();
            return Err(self.compiler.no(&super::expression::first_words(&what.token)));
        }
        let column = self.column(shape)?;
        if shape.columns.iter().any(|c| c.name.eq_ignore_ascii_case(&column.name)) {
            return Err(fault(
                2705,
                self.compiler.line,
                format!(
                    "Column names in each table must be unique. Column name '{}' is specified more than once.",
                    column.name
                ),
            ));
        }
        shape.columns.push(column);
        Ok(())
    }

    fn column(&mut self, shape: &mut Shape) -> Result<ShapeColumn, SqlError> {
        let name = self.identifier()?.value;
        if self.peek_word(0, "AS") {
            return Err(self.compiler.no("a computed column"));
        }
        let ty = self.declared_type()?;
        let mut column = ShapeColumn { name, ty, nullable: true, identity: None, default: None };
        loop {
            if self.word("NOT") {
                if !self.word("NULL") {
                    return Err(self.near_next());
                }
                column.nullable = false;
            } else if self.word("NULL") {
                column.nullable = true;
            } else if self.word("IDENTITY") {
                column.nullable = false;
                column.identity = Some(self.seed()?);
            } else if self.word("PRIMARY") {
                if !self.word("KEY") {
                    return Err(self.near_next());
                }
                while self.word("CLUSTERED") || self.word("NONCLUSTERED") {}
                column.nullable = false;
                shape.keys.push((true, vec![column.name.clone()]));
            } else if self.word("UNIQUE") {
                while self.word("CLUSTERED") || self.word("NONCLUSTERED") {}
                shape.keys.push((false, vec![column.name.clone()]));
            } else if self.word("CONSTRAINT") {
                self.identifier()?;
            } else if self.word("DEFAULT") {
                let expr = self.parser.parse_prefix();
                let expr = self.expect(expr)?;
                let piece = self.compiler.value(&expr)?;
                column.default = Some(self.compiler.assigned(piece, column.ty)?);
            } else if self.word("CHECK") {
                shape.columns.push(column.clone());
                let check = self.check(shape);
                shape.columns.pop();
                shape.checks.push(check?);
            } else if self.word("COLLATE") {
                let collation = self.identifier()?;
                if !super::expression::is_default_collation(&collation.value) {
                    return Err(self.compiler.no(&format!("COLLATE {}", collation.value)));
                }
            } else if self.word("ROWGUIDCOL") || self.word("SPARSE") {
            } else {
                return Ok(column);
            }
        }
    }

    fn seed(&mut self) -> Result<(i64, i64), SqlError> {
        if !self.parser.consume_token(&Token::LParen) {
            return Ok((1, 1));
        }
        let mut numbers = [1i64; 2];
        for (at, number) in numbers.iter_mut().enumerate() {
            if at == 1 {
                self.need(&Token::Comma)?;
            }
            let minus = self.parser.consume_token(&Token::Minus);
            let token = self.parser.next_token();
            let Token::Number(n, _) = &token.token else { return Err(near(&token)) };
            let n: i64 = n.parse().map_err(|_| near(&token))?;
            *number = if minus { -n } else { n };
        }
        self.need(&Token::RParen)?;
        Ok((numbers[0], numbers[1]))
    }

    /// A condition over the columns so far.
    fn check(&mut self, shape: &Shape) -> Result<String, SqlError> {
        self.need(&Token::LParen)?;
        let expr = self.expression()?;
        self.need(&Token::RParen)?;
        let fields = shape
            .columns
            .iter()
            .map(|c| Field { name: c.name.clone(), inner: c.name.as_str().into(), ty: c.ty })
            .collect();
        // Inside its own CREATE TABLE the embedded engine wants bare column names: the alias is taken off.
        self.compiler.scopes.push(vec![Source { alias: CHECKED.to_owned(), fields, correlated: true }]);
        let made = self.compiler.predicate(&expr);
        self.compiler.scopes.pop();
        Ok(made?.replace(&format!("{}.", quote(CHECKED)), ""))
    }

    fn key_columns(&mut self) -> Result<Vec<(String, bool)>, SqlError> {
        self.need(&Token::LParen)?;
        let mut columns = Vec::new();
        loop {
            let name = self.identifier()?.value;
            let descending = self.word("DESC");
            if !descending {
                self.word("ASC");
            }
            columns.push((name, descending));
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.need(&Token::RParen)?;
        Ok(columns)
    }

    /// `TABLE` was read.
    pub(super) fn declare_table(&mut self, name: String) -> Result<(), SqlError> {
        let mut shape = self.shape()?;
        shape.name = name.clone();
        let inner = self.compiler.fresh_table();
        let temp = Arc::new(Temp {
            name,
            inner,
            columns: shape.columns.clone(),
            identity_insert: false,
            keys: shape.key_columns(),
            of: None,
            readonly: false,
        });
        self.compiler.temps.push(Arc::clone(&temp));
        self.compiler.declared.push((temp, shape));
        Ok(())
    }

    /// The name of one or two parts that comes next, and how many tokens it is.
    pub(super) fn peek_name(&self) -> Option<(String, usize)> {
        let word = |at| match &self.parser.peek_nth_token(at).token {
            Token::Word(w) => Some(w.value.clone()),
            _ => None,
        };
        let first = word(0)?;
        Some(match self.parser.peek_nth_token(1).token {
            Token::Period => (format!("{first}.{}", word(2)?), 3),
            _ => (first, 1),
        })
    }

    /// The table type that comes next, if it is one: `dbo.Name`.
    pub(super) fn table_type(&mut self) -> Option<&'static TableType> {
        let (name, length) = self.peek_name()?;
        let found = table_type::find(&name)?;
        for _ in 0..length {
            self.parser.next_token();
        }
        Some(found)
    }

    /// `DECLARE @name AS dbo.Type` was read.
    pub(super) fn declare_of(&mut self, name: &str, ty: &'static TableType) {
        let inner = self.compiler.fresh_table();
        let temp = Arc::new(ty.temp(name, inner, false));
        self.compiler.temps.push(Arc::clone(&temp));
        self.compiler.declared.push((temp, ty.shape(name)));
    }

    pub(super) fn drop(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let line = self.compiler.line;
        if !self.word("TABLE") {
            self.skip();
            return Err(fault(
                3701,
                line,
                "Cannot drop the object, because it does not exist or you do not have permission.",
            ));
        }
        let if_exists = self.word("IF") && self.word("EXISTS");
        let mut actions = Vec::new();
        loop {
            let name = self.parser.parse_object_name(false);
            let name = self.expect(name)?;
            let parts = self.compiler.parts(&name)?;
            let last = parts.last().map(|p| p.value.clone()).unwrap_or_default();
            if last.starts_with('#') {
                actions.push(Action::Drop { name: last, if_exists });
            } else {
                let known = self.compiler.place(&parts).is_some_and(|(b, n)| b.relation(&n).is_some());
                if known || !if_exists {
                    return Err(fault(
                        3701,
                        line,
                        format!(
                            "Cannot drop the table '{last}', because it does not exist or you do not have permission."
                        ),
                    ));
                }
                actions.push(Action::Nothing);
            }
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(actions);
            }
        }
    }

    pub(super) fn truncate(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let line = self.compiler.line;
        if !self.word("TABLE") {
            return Err(self.near_next());
        }
        let name = self.parser.parse_object_name(false);
        let name = self.expect(name)?;
        let parts = self.compiler.parts(&name)?;
        match self.compiler.temp_of(&parts) {
            Some(temp) if temp.name.starts_with('#') => {
                Ok(vec![Action::Truncate { name: temp.name.clone() }])
            }
            _ if parts.last().is_some_and(|p| p.value.starts_with('#')) => {
                Err(self.compiler.invalid_object(&parts))
            }
            _ => Err(fault(
                1088,
                line,
                format!(
                    "Cannot find the object \"{name}\" because it does not exist or you do not have permissions."
                ),
            )),
        }
    }

    pub(super) fn alter(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let line = self.compiler.line;
        if !self.word("TABLE") {
            self.skip();
            return Err(fault(
                15151,
                line,
                "Cannot alter the object, because it does not exist or you do not have permission.",
            ));
        }
        let name = self.parser.parse_object_name(false);
        let name = self.expect(name)?;
        let parts = self.compiler.parts(&name)?;
        if parts.last().is_none_or(|p| !p.value.starts_with('#')) {
            self.skip();
            return Err(fault(
                4902,
                line,
                format!(
                    "Cannot find the object \"{name}\" because it does not exist or you do not have permissions."
                ),
            ));
        }
        let temp = self.compiler.temp_of(&parts).ok_or_else(|| self.compiler.invalid_object(&parts))?;
        if !self.word("ADD") {
            return Err(self.compiler.no("ALTER TABLE other than ADD"));
        }
        let mut actions = Vec::new();
        loop {
            let mut shape = Shape { columns: temp.columns.clone(), ..Shape::default() };
            let column = self.column(&mut shape)?;
            if !shape.keys.is_empty() || !shape.checks.is_empty() || column.identity.is_some() {
                return Err(self.compiler.no("ALTER TABLE … ADD with a constraint"));
            }
            if !column.nullable && column.default.is_none() {
                return Err(self.compiler.no("ALTER TABLE … ADD NOT NULL without a default"));
            }
            actions.push(Action::Alter { name: temp.name.clone(), column });
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(actions);
            }
        }
    }
}

/// Stands for the table inside its own CHECK.
const CHECKED: &str = "\u{1}checked";
