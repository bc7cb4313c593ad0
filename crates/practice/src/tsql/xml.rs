//! FOR XML PATH, by which callers glue rows together.

use super::{
    expression::cast_text,
    query::Columns,
    scope::{Compiler, literal},
};
use crate::types::{Family, Type};
use database::SqlError;
use sqlparser::ast::{ForClause, ForXml};

impl Compiler {
    pub(super) fn for_clause(
        &mut self,
        clause: &ForClause,
        sql: &str,
        columns: &Columns,
        with: &str,
    ) -> Result<(String, Columns), SqlError> {
        let (path, root, typed) = match clause {
            ForClause::Browse => return Ok((format!("{with}{sql}"), columns.clone())),
            ForClause::Xml {
                for_xml: ForXml::Path(path),
                elements: false,
                binary_base64: false,
                root,
                r#type,
            } => (path.as_deref().unwrap_or("row"), root, *r#type),
            ForClause::Xml { .. } => return Err(self.no("FOR XML other than PATH")),
            ForClause::Json { .. } => return Err(self.no("FOR JSON")),
        };
        let mut parts = Vec::new();
        for (i, (name, ty)) in columns.iter().enumerate() {
            if matches!(ty.family, Family::Binary) || name.contains(['@', '/', '*']) {
                return Err(self.no("this column in FOR XML PATH"));
            }
            // XML has its own forms of dates: those of style 126.
            let text = cast_text("ts_cast", &format!("\"c{i}\""), *ty, Type::NVARCHAR, 126);
            let text = if ty.family == Family::Text { format!("\"c{i}\"") } else { text };
            let escaped = format!("ts_xml({text})");
            let plain = name.is_empty() || matches!(name.to_ascii_lowercase().as_str(), "text()" | "data()");
            parts.push(if plain {
                format!("ifnull({escaped}, '')")
            } else {
                format!(
                    "ifnull({} || {escaped} || {}, '')",
                    literal(&format!("<{name}>")),
                    literal(&format!("</{name}>"))
                )
            });
        }
        let mut row = parts.join(" || ");
        if !path.is_empty() {
            row = format!("{} || {row} || {}", literal(&format!("<{path}>")), literal(&format!("</{path}>")));
        }
        let mut whole = "group_concat(\"x\", '')".to_owned();
        if let Some(root) = root {
            whole =
                format!("{} || {whole} || {}", literal(&format!("<{root}>")), literal(&format!("</{root}>")));
        }
        let ty = if typed { Type::by_name("xml").unwrap_or(Type::NVARCHAR) } else { Type::NVARCHAR };
        Ok((
            format!("{with}SELECT {whole} AS \"c0\" FROM (SELECT {row} AS \"x\" FROM ({sql}))"),
            vec![("XML_F52E2B61-18A1-11d1-B105-00805F49916B".to_owned(), ty)],
        ))
    }
}
