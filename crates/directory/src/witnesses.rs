//! Where the sites' audits ended, as their Links said it: 32 bytes and a count each. A log that is cut or rewritten later does not lead to
//! them any more.

use crate::{Directory, DirectoryError, sites::uuid};
use model::{SiteId, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The newest of each hour is kept for so long, then the newest of each day.
const HOURLY_MS: i64 = 7 * DAY_MS;
/// And for so long. The newest of all stays, however old it is.
const KEPT_MS: i64 = 90 * DAY_MS;
/// Of one site so many that contradict one another are kept, for good: the first ones. More come from a Link that wants it so.
const CONTRADICTIONS: i64 = 128;

/// Where a site's audit ended once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Whose.
    pub site: SiteId,
    /// Number of the last line.
    pub number: u64,
    /// What all lines up to it came to.
    pub chain: [u8; 32],
    /// When it was told first.
    pub at: Timestamp,
    /// When it was told although a later end, or another one of the same number, had been told before: one of the two is not what the audit
    /// holds now.
    pub back_at: Option<Timestamp>,
}

/// What a head means beside those that were told before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witnessed {
    /// It goes on from them, as far as a count can tell.
    New,
    /// It is the newest of them.
    Known,
    /// It does not: the audit ended further on before, or in other bytes, or the site had turned away from it. Both are kept, and this one
    /// is the newest from now on.
    Contradicts(Witness),
}

impl Directory {
    /// Keeps where a site's audit ends now.
    pub fn witness(&self, site: SiteId, number: u64, chain: &[u8; 32]) -> Result<Witnessed, DirectoryError> {
        // No site writes that many lines: whoever says so says nothing.
        let Ok(column) = i64::try_from(number) else { return Ok(Witnessed::Known) };
        let now = self.clock.now();
        let mut writer = self.writer();
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let seen = keep(&tx, site, (number, column), chain, now)?;
        tx.commit()?;
        Ok(seen)
    }

    /// What is kept of one site, or of all: by site, then by number.
    pub fn witnesses(&self, site: Option<SiteId>) -> Result<Vec<Witness>, DirectoryError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT site, number, chain, at, back_at FROM witnesses
             WHERE ?1 IS NULL OR site = ?1 ORDER BY site, number, at",
        )?;
        let rows = statement.query_map([site.as_ref().map(SiteId::as_bytes)], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn keep(
    tx: &Transaction<'_>,
    site: SiteId,
    (number, column): (u64, i64),
    chain: &[u8; 32],
    now: Timestamp,
) -> Result<Witnessed, DirectoryError> {
    let newest = tx
        .prepare_cached(
            "SELECT site, number, chain, at, back_at FROM witnesses
             WHERE site = ?1 AND kept IN (0, 1) ORDER BY number DESC, back_at IS NULL, at DESC LIMIT 1",
        )?
        .query_row([site.as_bytes()], read)
        .optional()?;
    if newest.is_some_and(|newest| newest.number == number && newest.chain == *chain) {
        return Ok(Witnessed::Known);
    }
    let goes_on = newest.is_none_or(|newest| newest.number < number);
    // One that is there and not the newest: the site had turned away from it, and turns back.
    let was_there = tx
        .prepare_cached("SELECT 1 FROM witnesses WHERE site = ?1 AND number = ?2 AND chain = ?3")?
        .exists(params![site.as_bytes(), column, chain])?;
    let Some(newest) = newest.filter(|_| !goes_on || was_there) else {
        thin(tx, site, now)?;
        tx.prepare_cached(
            "INSERT INTO witnesses (site, number, chain, at, kept) VALUES (?1, ?2, ?3, ?4, 0)
             ON CONFLICT (site, number, chain) DO UPDATE SET kept = iif(kept >= 1, 1, 0)",
        )?
        .execute(params![site.as_bytes(), column, chain, now.0])?;
        return Ok(Witnessed::New);
    };
    let contradictions: i64 = tx
        .prepare_cached("SELECT count(*) FROM witnesses WHERE site = ?1 AND kept >= 1")?
        .query_row([site.as_bytes()], |row| row.get(0))?;
    let keep = contradictions < CONTRADICTIONS;
    let newest_column = i64::try_from(newest.number).unwrap_or(i64::MAX);
    if keep {
        tx.prepare_cached("UPDATE witnesses SET kept = 1 WHERE site = ?1 AND number = ?2 AND chain = ?3")?
            .execute(params![site.as_bytes(), newest_column, newest.chain])?;
    }
    thin(tx, site, now)?;
    // All that the site has turned away from.
    tx.prepare_cached("UPDATE witnesses SET kept = iif(kept >= 1, 2, -1) WHERE site = ?1 AND number >= ?2")?
        .execute(params![site.as_bytes(), column.min(newest_column)])?;
    tx.prepare_cached(
        "INSERT INTO witnesses (site, number, chain, at, back_at, kept) VALUES (?1, ?2, ?3, ?4, ?4, ?5)
         ON CONFLICT (site, number, chain) DO UPDATE SET back_at = coalesce(back_at, ?4), kept = max(iif(kept >= 1, 1, 0), ?5)",
    )?
    .execute(params![site.as_bytes(), column, chain, now.0, i64::from(keep)])?;
    Ok(Witnessed::Contradicts(newest))
}

/// Makes room for a newer one: what proves nothing that a later one does not prove too. Nothing that contradicts anything goes.
fn thin(tx: &Transaction<'_>, site: SiteId, now: Timestamp) -> Result<(), DirectoryError> {
    let hour = now.0.div_euclid(HOUR_MS) * HOUR_MS;
    tx.prepare_cached("DELETE FROM witnesses WHERE site = ?1 AND kept <= 0 AND at >= ?2 AND at < ?3")?
        .execute(params![site.as_bytes(), hour, hour + HOUR_MS])?;
    tx.prepare_cached(
        "DELETE FROM witnesses WHERE site = ?1 AND kept <= 0 AND (at < ?2 OR (at < ?3 AND EXISTS (
             SELECT 1 FROM witnesses AS later
             WHERE later.site = ?1 AND later.kept <= 0 AND later.at / ?4 = witnesses.at / ?4 AND later.number > witnesses.number)))",
    )?
    .execute(params![site.as_bytes(), now.0 - KEPT_MS, now.0 - HOURLY_MS, DAY_MS])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Witness> {
    Ok(Witness {
        site: SiteId(uuid(row.get(0)?)),
        number: row.get::<_, i64>(1)?.unsigned_abs(),
        chain: row.get(2)?,
        at: Timestamp(row.get(3)?),
        back_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{World, site};

    fn world() -> World {
        World::new()
    }

    fn tell(world: &World, number: u64, chain: u8) -> Witnessed {
        world.directory.witness(site(1), number, &[chain; 32]).unwrap()
    }

    fn kept(world: &World) -> Vec<(u64, u8, bool)> {
        let all = world.directory.witnesses(Some(site(1))).unwrap();
        all.iter().map(|w| (w.number, w.chain[0], w.back_at.is_some())).collect()
    }

    #[test]
    fn of_each_hour_the_newest_stays_then_of_each_day_then_none() {
        let world = world();
        // Three days, an end every twenty minutes.
        for number in 1..=3 * 24 * 3 {
            assert_eq!(tell(&world, number, 1), Witnessed::New);
            world.clock.forward(1200);
        }
        assert!((72..=73).contains(&kept(&world).len()), "{}", kept(&world).len());
        world.clock.forward(8 * 86_400);
        tell(&world, 1000, 1);
        assert!((4..=5).contains(&kept(&world).len()), "{:?}", kept(&world));
        world.clock.forward(200 * 86_400);
        assert_eq!(tell(&world, 1000, 1), Witnessed::Known, "nothing happened there");
        assert!(kept(&world).last() == Some(&(1000, 1, false)), "the newest is not forgotten with age");
        tell(&world, 1001, 1);
        assert_eq!(kept(&world), [(1001, 1, false)]);
    }

    /// What a restored copy or a cut log shows must not wipe out what shows that it was one.
    #[test]
    fn an_audit_that_goes_back_is_kept_beside_what_it_contradicts() {
        let world = world();
        tell(&world, 100, 1);
        let Witnessed::Contradicts(before) = tell(&world, 90, 2) else { panic!("it went back") };
        assert_eq!((before.number, before.chain), (100, [1; 32]));
        assert_eq!(tell(&world, 90, 2), Witnessed::Known, "told once");
        assert_eq!(tell(&world, 91, 2), Witnessed::New, "it goes on from there");
        // The lie grows past the truth, within the same hour.
        assert_eq!(tell(&world, 101, 2), Witnessed::New);
        assert_eq!(tell(&world, 102, 2), Witnessed::New);
        assert_eq!(kept(&world), [(90, 2, true), (100, 1, false), (102, 2, false)]);
        world.clock.forward(400 * 86_400);
        tell(&world, 103, 2);
        assert_eq!(kept(&world), [(90, 2, true), (100, 1, false), (103, 2, false)]);
    }

    #[test]
    fn another_end_of_the_same_number_is_a_contradiction_too() {
        let world = world();
        tell(&world, 100, 1);
        assert!(matches!(tell(&world, 100, 2), Witnessed::Contradicts(_)));
        assert_eq!(tell(&world, 100, 2), Witnessed::Known);
        assert_eq!(tell(&world, 101, 2), Witnessed::New);
        assert_eq!(kept(&world), [(100, 1, false), (100, 2, true), (101, 2, false)]);
    }

    /// After a restore the audit has lower numbers for a long time: it is watched all the same.
    #[test]
    fn what_was_shown_last_is_the_newest_so_a_second_turn_is_found_too() {
        let world = world();
        tell(&world, 100, 1);
        assert!(matches!(tell(&world, 10, 2), Witnessed::Contradicts(_)));
        assert_eq!(tell(&world, 20, 2), Witnessed::New);
        let Witnessed::Contradicts(before) = tell(&world, 15, 3) else { panic!("it went back again") };
        assert_eq!((before.number, before.chain), (20, [2; 32]));
        let Witnessed::Contradicts(before) = tell(&world, 100, 1) else { panic!("it turned back") };
        assert_eq!((before.number, before.chain), (15, [3; 32]));
        assert_eq!(kept(&world), [(10, 2, true), (15, 3, true), (20, 2, false), (100, 1, true)]);
        // A server that was restored begins above all of them.
        assert_eq!(tell(&world, (1 << 40) + 1, 4), Witnessed::New);
        assert!(matches!(tell(&world, 101, 1), Witnessed::Contradicts(_)), "the lost one shows itself again");
    }

    #[test]
    fn an_end_that_was_there_before_says_when_it_came_back() {
        let world = world();
        tell(&world, 50, 1);
        world.clock.forward(3600);
        tell(&world, 60, 1);
        assert!(matches!(tell(&world, 50, 1), Witnessed::Contradicts(_)));
        assert_eq!(kept(&world), [(50, 1, true), (60, 1, false)]);
    }

    #[test]
    fn sites_do_not_share_and_a_count_that_no_site_reaches_is_not_kept() {
        let world = world();
        tell(&world, 100, 1);
        assert_eq!(world.directory.witness(site(2), 5, &[3; 32]).unwrap(), Witnessed::New);
        assert_eq!(tell(&world, u64::MAX, 1), Witnessed::Known);
        assert_eq!(world.beside().witnesses(None).unwrap().len(), 2);
        // A Link that lies all day fills no disk.
        for number in 0..1000 {
            tell(&world, 1000 + 2 * number, 1);
            tell(&world, 1, 1);
        }
        assert!(kept(&world).len() <= 130, "{}", kept(&world).len());
    }
}
