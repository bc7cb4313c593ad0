//! One engine, ready to be asked.

use crate::Words;
use database::{Engine, Failure, Login, Session};
use model::{Access, Catalogue};
use std::{any::Any, sync::Arc};

/// An engine with its logins, and its SQL.
pub struct Subject {
    /// Its name, for messages.
    pub name: &'static str,
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// A login that may write and call procedures.
    pub writer: Login,
    /// A login that may only read; `None` where nobody made one.
    pub reader: Option<Login>,
    /// How things are said there.
    pub words: Box<dyn Words>,
    /// Servers and folders that live as long as this.
    pub keep: Vec<Box<dyn Any>>,
}

impl Subject {
    /// The default catalogue's name.
    pub fn catalogue(&self) -> String {
        let catalogues = self.engine.catalogues();
        let default: Vec<&Catalogue> = catalogues.iter().filter(|c| c.is_default).collect();
        assert_eq!(default.len(), 1, "{}: one default catalogue", self.name);
        default[0].name.clone()
    }

    /// Logs in to the default catalogue.
    pub fn connect(&self, login: &Login, access: Access) -> Result<Box<dyn Session>, Failure> {
        self.engine.connect(login, &self.catalogue(), access)
    }

    /// A session that may write.
    pub fn writing(&self) -> Box<dyn Session> {
        self.connect(&self.writer, Access::ReadWrite).unwrap()
    }

    /// A session of the login that may write, under enforced read-only.
    pub fn reading(&self) -> Box<dyn Session> {
        self.connect(&self.writer, Access::ReadOnly).unwrap()
    }
}
