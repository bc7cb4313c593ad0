//! What a server says of a prepared statement: its kind, its columns, its parameters.

use super::xdr::Short;

const END: u8 = 1;
const TRUNCATED: u8 = 2;
const SELECT: u8 = 4;
const BIND: u8 = 5;
const DESCRIBE: u8 = 7;
const DESCRIBE_END: u8 = 8;
const SEQUENCE: u8 = 9;
const TYPE: u8 = 11;
const SUB_TYPE: u8 = 12;
const SCALE: u8 = 13;
const LENGTH: u8 = 14;
const ALIAS: u8 = 19;
const START: u8 = 20;
const STATEMENT: u8 = 21;
const RECORDS: u8 = 23;

/// Columns of a statement, and its parameters, that are taken at most.
const MOST: usize = 32_768;

/// Asks for everything: sent with a prepare.
pub(crate) const ITEMS: &[u8] = &[
    STATEMENT,
    SELECT,
    DESCRIBE,
    SEQUENCE,
    TYPE,
    SUB_TYPE,
    SCALE,
    LENGTH,
    ALIAS,
    DESCRIBE_END,
    BIND,
    DESCRIBE,
    SEQUENCE,
    TYPE,
    SUB_TYPE,
    SCALE,
    LENGTH,
    DESCRIBE_END,
];

/// Asks how many rows a statement changed.
pub(crate) const COUNTS: &[u8] = &[RECORDS, END];

/// A column or a parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// `SQL_…` without the bit for nullable.
    pub kind: u32,
    /// Of numbers: 1 `NUMERIC`, 2 `DECIMAL`; of blobs: 1 text; of texts: the character set.
    pub sub_type: i32,
    /// Of numbers: digits behind the point, negative; of text blobs: the character set.
    pub scale: i32,
    /// In bytes.
    pub length: u32,
    /// The name in the result set.
    pub alias: String,
}

/// A prepared statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// `isc_info_sql_stmt_…`.
    pub statement: u32,
    /// Columns.
    pub outputs: Vec<Variable>,
    /// Parameters.
    pub inputs: Vec<Variable>,
    counts: [Option<usize>; 2],
}

impl Described {
    /// Takes one answer. Returns what to ask next when it was cut short.
    ///
    /// # Errors
    /// [`Short::Wrong`]; also when a cut answer had nothing new, so that asking ends.
    pub fn feed(&mut self, answer: &[u8]) -> Result<Option<Vec<u8>>, Short> {
        let before = (self.outputs.len(), self.inputs.len(), self.counts);
        let mut rest = answer;
        let mut side = 0;
        let mut current = Variable::default();
        loop {
            let (&item, after) = rest.split_first().ok_or(Short::Wrong)?;
            rest = after;
            match item {
                END => break,
                TRUNCATED => {
                    if before == (self.outputs.len(), self.inputs.len(), self.counts) {
                        return Err(Short::Wrong);
                    }
                    return Ok(Some(self.more()));
                }
                SELECT => side = 0,
                BIND => side = 1,
                DESCRIBE_END => {
                    let list = if side == 0 { &mut self.outputs } else { &mut self.inputs };
                    if list.len() >= self.counts[side].unwrap_or(0) {
                        return Err(Short::Wrong);
                    }
                    list.push(std::mem::take(&mut current));
                }
                _ => {
                    let (length, after) = rest.split_first_chunk::<2>().ok_or(Short::Wrong)?;
                    let length = usize::from(u16::from_le_bytes(*length));
                    let (value, after) = after.split_at_checked(length).ok_or(Short::Wrong)?;
                    rest = after;
                    match item {
                        STATEMENT => self.statement = int(value)? as u32,
                        DESCRIBE => {
                            let count = usize::try_from(int(value)?).map_err(|_| Short::Wrong)?;
                            if count > MOST {
                                return Err(Short::Wrong);
                            }
                            self.counts[side] = Some(count);
                        }
                        // A server that says them in another order would give values to the wrong column.
                        SEQUENCE => {
                            let done = if side == 0 { self.outputs.len() } else { self.inputs.len() };
                            if usize::try_from(int(value)?) != Ok(done + 1) {
                                return Err(Short::Wrong);
                            }
                            current = Variable::default();
                        }
                        TYPE => current.kind = int(value)? as u32 & !1,
                        SUB_TYPE => current.sub_type = int(value)?,
                        SCALE => current.scale = int(value)?,
                        LENGTH => current.length = int(value)? as u32,
                        ALIAS => current.alias = name(value),
                        _ => {}
                    }
                }
            }
        }
        let whole = [self.outputs.len(), self.inputs.len()];
        let all = (0..2).all(|side| self.counts[side].unwrap_or(0) == whole[side]);
        if all { Ok(None) } else { Err(Short::Wrong) }
    }

    /// What is still missing.
    fn more(&self) -> Vec<u8> {
        let mut items = Vec::new();
        let mut ask = |side: u8, done: usize| {
            items.extend([START, 2]);
            items.extend((done as u16 + 1).to_le_bytes());
            items.extend([side, DESCRIBE, SEQUENCE, TYPE, SUB_TYPE, SCALE, LENGTH]);
            items.extend([ALIAS, DESCRIBE_END]);
        };
        if self.counts[0] != Some(self.outputs.len()) {
            ask(SELECT, self.outputs.len());
        }
        ask(BIND, self.inputs.len());
        items
    }
}

/// Rows that a statement inserted, updated and deleted; `None` when the server does not say.
///
/// # Errors
/// [`Short::Wrong`].
pub fn changed(answer: &[u8]) -> Result<Option<i64>, Short> {
    let Some((&RECORDS, rest)) = answer.split_first() else { return Ok(None) };
    let mut rest = rest.get(2..).ok_or(Short::Wrong)?;
    let mut sum = 0i64;
    while let Some((&item, after)) = rest.split_first() {
        if item == END {
            break;
        }
        let (length, after) = after.split_first_chunk::<2>().ok_or(Short::Wrong)?;
        let length = usize::from(u16::from_le_bytes(*length));
        let (value, after) = after.split_at_checked(length).ok_or(Short::Wrong)?;
        rest = after;
        // 13 is rows read, 14 to 16 are rows inserted, updated, deleted.
        if (14..=16).contains(&item) {
            sum = sum.saturating_add(i64::from(int(value)? as u32));
        }
    }
    Ok(Some(sum))
}

/// A little-endian number of one to four bytes; none at all is 0.
fn int(bytes: &[u8]) -> Result<i32, Short> {
    match bytes.len() {
        0 => Ok(0),
        1 => Ok(i32::from(bytes[0] as i8)),
        2 => Ok(i32::from(i16::from_le_bytes([bytes[0], bytes[1]]))),
        4 => Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        8 => Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        _ => Err(Short::Wrong),
    }
}

fn name(bytes: &[u8]) -> String {
    crate::text::decode(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(out: &mut Vec<u8>, item: u8, value: i32) {
        out.extend([item, 4, 0]);
        out.extend(value.to_le_bytes());
    }

    /// What a server with room for `room` bytes says, from column `from` (from 1) on.
    fn say(count: usize, from: usize, room: usize) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, STATEMENT, 1);
        out.push(SELECT);
        number(&mut out, DESCRIBE, count as i32);
        for i in from..=count {
            let start = out.len();
            number(&mut out, SEQUENCE, i as i32);
            number(&mut out, TYPE, 497);
            out.extend([ALIAS, 2, 0, b'C', b'0' + (i % 10) as u8, DESCRIBE_END]);
            if out.len() > room {
                out.truncate(start);
                out.push(TRUNCATED);
                return out;
            }
        }
        out.push(BIND);
        number(&mut out, DESCRIBE, 0);
        out.push(END);
        out
    }

    #[test]
    fn an_answer_that_was_cut_short_is_asked_for_again_until_it_is_whole() {
        let mut described = Described::default();
        let mut from = 1;
        let mut rounds = 0;
        while let Some(ask) = described.feed(&say(50, from, 200)).unwrap() {
            assert_eq!(&ask[..2], [START, 2]);
            from = usize::from(u16::from_le_bytes([ask[2], ask[3]]));
            rounds += 1;
        }
        assert!(rounds > 3 && described.outputs.len() == 50);
        assert_eq!((described.outputs[49].kind, described.outputs[49].alias.as_str()), (496, "C0"));
        assert_eq!(Described::default().feed(&[TRUNCATED]), Err(Short::Wrong), "no progress");
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Described::default().feed(&bytes);
            let _ = changed(&bytes);
        }
    }
}
