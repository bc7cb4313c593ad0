//! The rota and three years of appointments that fill it, day by day; what was seen by today becomes a visit.

use super::{BuildOptions, World, diary::Purpose, life::Life, people::midnight, visit::Visit, words};
use crate::calendar::weekday;
use rusqlite::{Connection, params};

struct Session {
    user: i64,
    location: i64,
    /// 0 is Sunday.
    weekday: i64,
    start: i64,
    end: i64,
    slot: i64,
    /// Queue of those who wait for this user.
    queue: usize,
    nurse: bool,
}

const MORNING: (i64, i64) = (8 * 3600 + 1800, 12 * 3600 + 1800);
const AFTERNOON: (i64, i64) = (13 * 3600 + 1800, 17 * 3600);
/// Today stands still at noon.
const NOON: i64 = 12 * 3600;
const DO_NOT_BOOK: usize = 9;

/// What became of an appointment: status, arrival, begin of the consultation.
type Fate = (i64, i64, i64);

impl World<'_> {
    /// Fills SESSIONS and gives them back.
    fn rota(&mut self, connection: &Connection) -> rusqlite::Result<Vec<Session>> {
        let mut sessions = Vec::new();
        let nurses = self.staff.doctors.len();
        for user in self.staff.users.iter().filter(|u| u.role != 'r' && u.works) {
            let nurse = user.role == 'n';
            let slot = if nurse { 1800 } else { 900 };
            let queue = self.staff.doctors.iter().position(|d| *d == user.id).unwrap_or(nurses);
            let id = user.id;
            let mut add = |location: i64, weekday: i64, (start, end): (i64, i64)| {
                sessions.push(Session { user: id, location, weekday, start, end, slot, queue, nurse });
            };
            for weekday in 1..=5 {
                for half in [MORNING, AFTERNOON] {
                    if self.random.chance(65) {
                        let other = self.random.chance(12);
                        add(if other { 3 - user.location } else { user.location }, weekday, half);
                    }
                }
            }
            if self.random.chance(30) {
                add(user.location, 6, (8 * 3600, 12 * 3600));
            }
        }
        let mut insert = connection.prepare(
            "INSERT INTO SESSIONS (USERID, LOCATIONID, DAYOFWEEK, STARTTIME, ENDTIME, LENGTH, STARTDATE, WEEKS, CYCLEWEEK)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 1)",
        )?;
        let since = midnight(self.first);
        for s in &sessions {
            insert.execute(params![s.user, s.location, s.weekday + 1, s.start, s.end, s.slot, since])?;
        }
        // A room without a provider: such rows exist in real books.
        insert.execute(params![0, 1, 2, MORNING.0, MORNING.1, 900, since])?;
        Ok(sessions)
    }

    /// Who takes a free slot, and why.
    fn choose(
        &mut self,
        lives: &[Life],
        lists: &[Vec<u32>],
        s: &Session,
        day: i64,
    ) -> Option<(u32, Purpose)> {
        let life = |p: u32| &lives[p as usize];
        let fits = |p: u32, _: Purpose| life(p).comes(day) && life(p).booked != day;
        let gone = |p: u32| life(p).until < day;
        // Their own doctor first, then whoever has time.
        let nurses = self.diary.nurses();
        let other = if self.random.chance(25) {
            nurses
        } else {
            self.random.below(self.staff.doctors.len().max(1) as u64) as usize
        };
        let queues = if s.nurse { [nurses, nurses] } else { [s.queue, other] };
        for queue in queues {
            self.diary.drop_gone(queue, gone);
            if let Some(found) = self.diary.next(queue, fits) {
                return Some(found);
            }
        }
        if s.nurse {
            // What else a nurse does.
            let patient = self.random.below(lives.len() as u64) as u32;
            let chosen = self.random.chance(25) && fits(patient, Purpose::Dressing);
            return chosen.then_some((patient, Purpose::Dressing));
        }
        for _ in 0..5 {
            let list = &lists[s.queue];
            let patient = if !list.is_empty() && self.random.chance(70) {
                self.random.pick(list)
            } else {
                self.random.below(lives.len() as u64) as u32
            };
            let age = life(patient).age(day);
            let likely = match age {
                ..6 => 80,
                6..40 => 45,
                40..65 => 65,
                _ => 100,
            };
            if self.random.chance(likely) && fits(patient, Purpose::Acute) {
                return Some((patient, Purpose::Acute));
            }
        }
        None
    }

    /// What became of an appointment for that day and time, before it is known what was paid.
    fn fate(&mut self, day: i64, time: i64, late: i64) -> Fate {
        let came = time - self.random.range(0, 900);
        if day < self.today {
            return if self.random.chance(4) { (1, 0, 0) } else { (7, came, time + late) };
        }
        if day > self.today {
            return (1, 0, 0);
        }
        match NOON - (time + late) {
            3600.. => (7, came, time + late),
            1200..3600 => (4, came, time + late),
            0..1200 => (3, came, time + late),
            _ if came < NOON => (2, came, 0),
            _ => (1, 0, 0),
        }
    }

    /// Fills SESSIONS and APPOINTMENTS, and the visits of those who came.
    pub(super) fn book(
        &mut self,
        connection: &Connection,
        options: &BuildOptions,
        lives: &mut [Life],
        step: &mut dyn FnMut(f32),
    ) -> rusqlite::Result<()> {
        let sessions = self.rota(connection)?;
        let mut lists: Vec<Vec<u32>> = self.staff.doctors.iter().map(|_| Vec::new()).collect();
        for (i, life) in lives.iter().enumerate() {
            lists[life.doctor].push(i as u32);
        }
        let patients = u64::from(options.patients.min(5000));
        for day in self.first..=self.last {
            let date = midnight(day);
            // Full behind and near, thinner far ahead; a small practice has more time.
            let full = match day - self.today {
                ..=1 => 820,
                2..=14 => 600,
                15..=60 => 220,
                _ => 50,
            };
            let near = if (day - self.today).abs() <= 7 { 150 } else { 20 };
            let full = (full * patients / 5000).max(full.min(near));
            self.diary.begin(day, |p| lives[p as usize].doctor);
            for s in sessions.iter().filter(|s| s.weekday == weekday(day)) {
                self.session(lives, &lists, s, day, &date, full)?;
            }
            if day % 30 == 0 {
                step((day - self.first) as f32 / (self.last - self.first) as f32);
            }
        }
        Ok(())
    }

    /// Half a day of one provider.
    fn session(
        &mut self,
        lives: &mut [Life],
        lists: &[Vec<u32>],
        s: &Session,
        day: i64,
        date: &str,
        full: u64,
    ) -> rusqlite::Result<()> {
        let mut late = 0;
        let mut time = s.start;
        while time < s.end {
            if self.random.below(1000) >= full {
                time += s.slot;
                continue;
            }
            let blocked = lives.is_empty() || self.random.chance(4);
            let chosen = if blocked { None } else { self.choose(lives, lists, s, day) };
            let kind = match chosen {
                Some((_, purpose)) => purpose.kind(self.random.next()),
                None if blocked => DO_NOT_BOOK,
                None => {
                    time += s.slot;
                    continue;
                }
            };
            // At the end of a session even a long one gets what is left.
            let length = (words::TYPES[kind].1 * 60).max(s.slot).min(s.end - time);
            late = (late + self.random.range(-240, 300)).clamp(0, 3000);
            let cancelled = self.random.chance(6);
            let (mut status, arrived, seen) =
                if blocked || cancelled { (1, 0, 0) } else { self.fate(day, time, late) };
            let booked_on = (day - self.random.range(0, 30)).min(self.today);
            let (mut patient, mut items, mut reason, mut video) = (0, String::new(), "", String::new());
            if let Some((at, purpose)) = chosen {
                let life = &mut lives[at as usize];
                patient = life.id;
                reason = purpose.reason();
                life.booked = if cancelled { life.booked } else { day };
                if kind == 7 {
                    video = format!("https://video.example.com/room/{}", life.id);
                }
                if status >= 4 {
                    let visit = Visit {
                        at,
                        purpose,
                        kind,
                        day,
                        date,
                        time: seen,
                        user: s.user,
                        location: s.location,
                        nurse: s.nurse,
                        bill: status == 7,
                    };
                    let bill = self.visit(life, &visit)?;
                    if status == 7 {
                        status = match (bill.billed, bill.paid) {
                            (false, _) => 6,
                            (true, false) => 5,
                            (true, true) => 7,
                        };
                    }
                    items = bill.items;
                } else if (cancelled || day < self.today) && purpose != Purpose::Acute {
                    // Who did not come is due still.
                    self.diary.add(day + 6, at, purpose);
                }
            }
            let desk = self.random.pick(&self.staff.desk);
            let by = if self.random.chance(15) { s.user } else { desk };
            let by = if self.random.chance(3) { -by } else { by };
            self.tables.appointment.execute(params![
                i64::from(!cancelled),
                patient,
                s.user,
                s.location,
                date,
                time,
                length,
                status,
                kind as i64 + 1,
                i64::from(self.random.chance(5)),
                arrived,
                seen,
                if self.random.chance(2) { "Needs interpreter" } else { "" },
                reason,
                items,
                video,
                midnight(booked_on),
                by,
            ])?;
            // A cancelled appointment leaves its slot to another.
            time += if cancelled { 0 } else { length };
        }
        Ok(())
    }

    /// What stands at the end: lasting medicines and women's details.
    pub(super) fn close(&mut self, lives: &[Life]) -> rusqlite::Result<()> {
        for life in lives.iter().filter(|l| l.until != i64::MIN) {
            let doctor = self.staff.doctors[life.doctor];
            for m in &life.medicines {
                self.medicine(life, m.product, doctor, &midnight(m.since), &midnight(m.last), 1, 1)?;
            }
            self.gynaecology(life)?;
        }
        Ok(())
    }
}
