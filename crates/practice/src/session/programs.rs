//! Compiled batches that are kept: callers send the same few texts again and again.

use crate::{
    schema::Base,
    tsql::{Program, Variable, compile},
};
use database::SqlError;
use std::{collections::HashMap, sync::Arc};

/// Most batches kept; at one more all are forgotten, which costs one compilation each.
const MOST: usize = 64;
/// Longer texts are compiled each time: they are rarely sent twice, and would fill the memory.
const LONGEST: usize = 16 * 1024;

/// The kept batches of one session, by text and parameters. A session has one base, so that is not part of the key.
#[derive(Default)]
pub(crate) struct Programs(HashMap<(String, String), Arc<Program>>);

impl Programs {
    /// The compiled batch; compiles it when it is new.
    pub(super) fn get(
        &mut self,
        text: &str,
        base: Base,
        variables: Vec<Variable>,
    ) -> Result<Arc<Program>, SqlError> {
        if text.len() > LONGEST {
            return compile(text, base, variables, false).map(Arc::new);
        }
        let key = (text.to_owned(), format!("{variables:?}"));
        if let Some(program) = self.0.get(&key) {
            return Ok(Arc::clone(program));
        }
        let program = Arc::new(compile(text, base, variables, false)?);
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(key, Arc::clone(&program));
        Ok(program)
    }
}
