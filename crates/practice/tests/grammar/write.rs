//! INSERT, UPDATE and DELETE on the tables.

use super::{Draw, Kind, TABLES, table};

impl Draw<'_> {
    /// A statement that changes one of the tables.
    pub(crate) fn write(&mut self) -> String {
        let name = TABLES[self.pick(TABLES.len())];
        let own = [table(name)];
        match self.pick(4) {
            0 => format!("DELETE FROM {name} WHERE {}", self.predicate(&own, 2, true)),
            1 => {
                // Not from subqueries: SQLite lets one that looks at the changed table see the rows changed before.
                let mut set = vec![format!("a = {}", self.value(Kind::Int, &own, 2, false))];
                if self.pick(2) == 1 {
                    set.push(format!("s = {}", self.value(Kind::Text, &own, 2, false)));
                }
                if self.pick(2) == 1 {
                    set.push(format!("b = {}", self.value(Kind::Int, &own, 2, false)));
                }
                format!("UPDATE {name} SET {} WHERE {}", set.join(", "), self.predicate(&own, 2, true))
            }
            2 => {
                let rows: Vec<String> = (0..=self.pick(3))
                    .map(|_| {
                        let (a, s) =
                            (self.value(Kind::Int, &[], 2, true), self.value(Kind::Text, &[], 2, true));
                        format!("({a}, {s}, {})", self.pick(200) + 1000)
                    })
                    .collect();
                format!("INSERT INTO {name} (a, s, id) VALUES {}", rows.join(", "))
            }
            _ => {
                let body = self.select(&[Kind::Int, Kind::Text, Kind::Int], &[], 2);
                format!("INSERT INTO {name} (a, r, b) {body}")
            }
        }
    }
}
