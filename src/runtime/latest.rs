//! A mailbox for one: what is put in replaces what nobody took yet, so that a slow reader gets the newest and never a
//! queue. Refuses to hold more than one value.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Makes both ends.
#[must_use]
pub fn latest<T>() -> (Put<T>, Take<T>) {
    let slot = Arc::new((Mutex::new(Slot { value: None, closed: false }), Condvar::new()));
    (Put(Arc::clone(&slot)), Take(slot))
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    closed: bool,
}

/// The end that puts. Dropping it lets the other side end.
#[derive(Debug)]
pub struct Put<T>(Arc<(Mutex<Slot<T>>, Condvar)>);

impl<T> Put<T> {
    /// Replaces what is there.
    pub fn put(&self, value: T) {
        self.merge(|_| value);
    }

    /// Replaces what is there by something made of it.
    pub fn merge(&self, make: impl FnOnce(Option<T>) -> T) {
        let mut slot = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = slot.value.take();
        slot.value = Some(make(old));
        self.0.1.notify_one();
    }
}

impl<T> Drop for Put<T> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.0.1.notify_one();
    }
}

/// The end that takes.
#[derive(Debug)]
pub struct Take<T>(Arc<(Mutex<Slot<T>>, Condvar)>);

impl<T> Take<T> {
    /// Waits for a value; `None` when none will come any more.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        let mut slot = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if slot.value.is_some() || slot.closed {
                return slot.value.take();
            }
            slot = self.0.1.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether nobody puts any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// What is there now.
    #[must_use]
    pub fn try_take(&self) -> Option<T> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).value.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins_and_the_end_is_told() {
        let (put, take) = latest();
        put.put(1);
        put.put(2);
        assert_eq!((take.take(), take.try_take()), (Some(2), None));
        put.put(3);
        drop(put);
        assert_eq!((take.take(), take.take()), (Some(3), None));
    }

    #[test]
    fn a_waiting_reader_is_woken() {
        let (put, take) = latest();
        let reader = std::thread::spawn(move || (take.take(), take.take()));
        put.put("x");
        // Whether the reader takes it before or after the close, it gets it.
        drop(put);
        assert_eq!(reader.join().unwrap(), (Some("x"), None));
    }
}
