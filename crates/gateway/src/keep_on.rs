//! What runs for ever in the background, and must not end with a fault of its own.

use futures::FutureExt;
use std::{panic::AssertUnwindSafe, time::Duration};

/// Before it begins anew.
const REST: Duration = Duration::from_secs(1);

/// Runs a task; when it breaks it begins anew, and the log says so. Ends when it does.
pub async fn keep_on<F: Future<Output = ()>>(name: &str, task: impl Fn() -> F) {
    while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
        tracing::error!(task = name, "a task in the background broke; it begins anew");
        tokio::time::sleep(REST).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A gateway whose housekeeping is gone looks well for weeks.
    #[tokio::test(start_paused = true)]
    async fn a_task_that_breaks_begins_anew_and_one_that_ends_has_ended() {
        let begun = Cell::new(0);
        keep_on("test", || async {
            begun.set(begun.get() + 1);
            assert!(begun.get() > 2, "it breaks twice");
        })
        .await;
        assert_eq!(begun.get(), 3);
    }
}
