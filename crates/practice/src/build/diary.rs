//! Who is due for what, and who waits for an appointment with whom.

use std::collections::VecDeque;

/// Why somebody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A step of the childhood schedule.
    Vaccine(u8),
    Flu,
    Diabetes,
    Pressure,
    Inr,
    Asthma,
    CarePlan,
    Smear,
    Antenatal,
    HealthCheck,
    IndigenousCheck,
    Newcomer,
    Mental,
    Script,
    Results,
    Dressing,
    Acute,
}

impl Purpose {
    /// Place in the list of appointment types.
    pub(super) fn kind(self, choice: u64) -> usize {
        match self {
            Purpose::Vaccine(_) | Purpose::Flu => 4,
            Purpose::CarePlan => 5,
            Purpose::HealthCheck | Purpose::IndigenousCheck | Purpose::Smear => 1,
            Purpose::Newcomer => 2,
            Purpose::Dressing => 8,
            Purpose::Results | Purpose::Script => [0, 6, 6, 7][(choice % 4) as usize],
            Purpose::Mental => [1, 7][(choice % 2) as usize],
            Purpose::Acute => [0, 0, 0, 0, 0, 0, 0, 1, 3, 6][(choice % 10) as usize],
            _ => 0,
        }
    }

    /// Whether a nurse can do it alone.
    pub(super) fn nurse(self) -> bool {
        matches!(self, Purpose::Vaccine(_) | Purpose::Flu | Purpose::Dressing | Purpose::Inr)
    }

    /// What the front desk writes.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Purpose::Vaccine(_) => "Immunisation",
            Purpose::Flu => "Flu vaccination",
            Purpose::Diabetes => "Diabetes review",
            Purpose::Pressure => "Blood pressure",
            Purpose::Inr => "INR",
            Purpose::Asthma => "Asthma review",
            Purpose::CarePlan => "Care plan",
            Purpose::Smear => "CST",
            Purpose::Antenatal => "Antenatal",
            Purpose::HealthCheck => "Health assessment",
            Purpose::IndigenousCheck => "ATSI health check",
            Purpose::Newcomer => "New patient",
            Purpose::Mental => "Mental health review",
            Purpose::Script => "Script",
            Purpose::Results => "Results",
            Purpose::Dressing => "Dressing",
            Purpose::Acute => "",
        }
    }
}

/// Days ahead, and queues of those who are due by now.
pub(super) struct Diary {
    first: i64,
    days: Vec<Vec<(u32, Purpose)>>,
    /// One for each doctor, the last for the nurses.
    queues: Vec<VecDeque<(u32, Purpose)>>,
}

impl Diary {
    pub(super) fn new(first: i64, last: i64, doctors: usize) -> Self {
        let days = (first..=last).map(|_| Vec::new()).collect();
        Diary { first, days, queues: (0..=doctors).map(|_| VecDeque::new()).collect() }
    }

    /// Puts somebody down for a day; beyond the book it is forgotten.
    pub(super) fn add(&mut self, day: i64, patient: u32, purpose: Purpose) {
        if let Ok(index) = usize::try_from(day - self.first)
            && let Some(list) = self.days.get_mut(index)
        {
            list.push((patient, purpose));
        }
    }

    /// Those of a day begin to wait. `doctor` gives the queue of a patient's own doctor.
    pub(super) fn begin(&mut self, day: i64, doctor: impl Fn(u32) -> usize) {
        let nurses = self.queues.len() - 1;
        for (patient, purpose) in std::mem::take(&mut self.days[(day - self.first) as usize]) {
            let queue = if purpose.nurse() { nurses } else { doctor(patient) };
            self.queues[queue].push_back((patient, purpose));
        }
    }

    /// The next one in that queue whom `fits` lets through; who does not fit today keeps the place.
    pub(super) fn next(
        &mut self,
        queue: usize,
        fits: impl Fn(u32, Purpose) -> bool,
    ) -> Option<(u32, Purpose)> {
        let queue = &mut self.queues[queue];
        let found = queue.iter().take(12).position(|(p, purpose)| fits(*p, *purpose))?;
        queue.remove(found)
    }

    /// Takes out of the front of a queue whom `gone` says will not come any more.
    pub(super) fn drop_gone(&mut self, queue: usize, gone: impl Fn(u32) -> bool) {
        while self.queues[queue].front().is_some_and(|(p, _)| gone(*p)) {
            self.queues[queue].pop_front();
        }
    }

    /// Queue of the nurses.
    pub(super) fn nurses(&self) -> usize {
        self.queues.len() - 1
    }
}
