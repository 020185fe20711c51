//! The walk against a model of the server: whatever grows, crashes and runs at the same time, every entry is counted
//! exactly once.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::entry::ReaderOptions;
use crate::import::region::{RegionStart, Splitter};

/// What the server does, as the contract has it: 202, 409, 422.
#[derive(Default)]
struct Model {
    batches: HashMap<String, Vec<u8>>,
    /// How often each entry's path was counted.
    counts: HashMap<String, u32>,
    posts: usize,
    /// Entries and bytes of the largest batches.
    most: (usize, usize),
}

impl Model {
    fn take(&mut self, batch: OutgoingBatch<'_>) -> PostAnswer {
        self.posts += 1;
        let body = batch.lines;
        let lines = std::str::from_utf8(body).unwrap().lines();
        let entries: Vec<&str> = lines.clone().filter(|line| line.starts_with('{')).collect();
        self.most = (self.most.0.max(entries.len()), self.most.1.max(body.len()));
        assert!(body.len() <= 2 << 20 && entries.len() <= 10_000, "{}, {}", entries.len(), body.len());
        assert!(body.starts_with(b"{"), "a batch begins with an entry, so that the server remembers it");
        let answer = |fate| PostAnswer {
            fate,
            entries: entries.len() as u64,
            skipped: (lines.clone().count() - entries.len()) as u64,
        };
        if let Some(known) = self.batches.get(batch.key) {
            let may_go_on =
                batch.state.iter().any(|(name, value)| (*name, value.as_str()) == ("known", "beginning"));
            let is_known = known == body || may_go_on && known.starts_with(body);
            return answer(if is_known { BatchFate::AlreadyCounted } else { BatchFate::OtherBatch });
        }
        self.batches.insert(batch.key.to_owned(), body.to_vec());
        for line in &entries {
            *self.counts.entry((*line).to_owned()).or_insert(0) += 1;
        }
        answer(BatchFate::Counted)
    }
}

/// Dies at one post: the batch is counted or lost, the answer never seen.
struct Client<'m> {
    model: &'m mut Model,
    lives: Option<usize>,
    last_arrives: bool,
}

struct Died;

impl Post for Client<'_> {
    type Error = Died;

    fn post(&mut self, batch: OutgoingBatch<'_>) -> Result<PostAnswer, Died> {
        match &mut self.lives {
            None => {}
            Some(0) => {
                if self.last_arrives {
                    self.model.take(batch);
                }
                return Err(Died);
            }
            Some(left) => *left -= 1,
        }
        Ok(self.model.take(batch))
    }
}

/// A line; every seventh is not an entry, and so are whole stretches.
fn line(number: usize) -> String {
    if number % 7 == 3 || (number / 40) % 5 == 2 {
        return format!("no entry {number}\n");
    }
    format!(
        "{{\"receivedAt\":\"2025-12-28T18:03:00Z\",\"method\":\"GET\",\"path\":\"/{number}\",\"userAgent\":\"\"}}\n"
    )
}

fn text(lines: usize) -> Vec<u8> {
    (0..lines).map(line).collect::<String>().into_bytes()
}

fn splitter(source: &str) -> Splitter {
    Splitter::new(RegionStart::of_source(source, Reader::new(ReaderOptions::default())))
}

/// All regions of the first `lines` lines, as they are when the file has no more.
fn regions(lines: usize) -> Vec<Region> {
    regions_of(&text(lines))
}

fn regions_of(text: &[u8]) -> Vec<Region> {
    let mut splitter = splitter("test");
    splitter.push(text);
    let mut regions: Vec<Region> = std::iter::from_fn(|| splitter.closed(Vec::new)).collect();
    regions.push(splitter.open(true));
    regions
}

/// Imports the first `lines` lines. Says what was counted now and before.
fn import(lines: usize, client: &mut Client<'_>) -> Result<(u64, u64), Died> {
    let (mut counted, mut already) = (0, 0);
    for region in regions(lines) {
        let mut progress = RegionProgress::default();
        let walked = walk(&region, true, &mut progress, client)?;
        assert_eq!((walked.conflict, progress.lines), (None, region.lines()));
        counted += walked.counted;
        already += walked.already;
    }
    Ok((counted, already))
}

/// Follows a file from `from` to each of `sizes` lines, like one process that never stops. One region only.
fn follow(sizes: &[usize], client: &mut Client<'_>) -> Result<(), Died> {
    let mut progress = RegionProgress::default();
    for size in sizes {
        let region = regions(*size).remove(0);
        let walked = walk(&region, false, &mut progress, client)?;
        assert_eq!(walked.conflict, None);
    }
    Ok(())
}

fn assert_each_once(model: &Model, lines: usize) {
    let entries = (0..lines).filter(|number| line(*number).starts_with('{')).count();
    assert_eq!(model.counts.len(), entries);
    assert!(model.counts.values().all(|count| *count == 1), "an entry was counted twice");
}

fn alive(model: &mut Model) -> Client<'_> {
    Client { model, lives: None, last_arrives: false }
}

#[test]
fn a_file_imported_twice_is_counted_once_with_one_batch_a_region() {
    let mut model = Model::default();
    let lines = 3 * REGION_LINES;
    let (counted, already) = import(lines, &mut alive(&mut model)).ok().unwrap();
    assert_eq!((model.posts, already), (3, 0));
    assert_eq!(import(lines, &mut alive(&mut model)).ok().unwrap(), (0, counted));
    assert_eq!(model.posts, 6);
    assert_each_once(&model, lines);
}

#[test]
fn a_region_followed_line_by_line_is_found_again_at_a_bounded_price() {
    let mut model = Model::default();
    let sizes: Vec<usize> = (1..=REGION_LINES).collect();
    follow(&sizes, &mut alive(&mut model)).ok().unwrap();
    let followed = model.posts;
    import(REGION_LINES, &mut alive(&mut model)).ok().unwrap();
    assert_each_once(&model, REGION_LINES);
    let again = model.posts - followed;
    assert!(again < followed * 3 / 2, "{again} posts to find {followed} batches");
}

#[test]
fn a_line_that_was_not_whole_is_counted_once_it_is() {
    for lines in [1, 8, 9, 64, 65, 401] {
        let whole = text(lines);
        for (cut, keeps_position) in (1..=line(lines - 1).len()).flat_map(|cut| [(cut, true), (cut, false)]) {
            let (mut model, mut progress) = (Model::default(), RegionProgress::default());
            let begun = regions_of(&whole[..whole.len() - cut]).remove(0);
            walk(&begun, true, &mut progress, &mut alive(&mut model)).ok().unwrap();
            let again = walk(&begun, true, &mut progress, &mut alive(&mut model)).ok().unwrap();
            assert_eq!((again.counted, again.already, again.skipped.total()), (0, 0, 0), "{lines} {cut}");
            if !keeps_position {
                progress = RegionProgress::default();
            }
            let finished = regions_of(&whole).remove(0);
            let walked = walk(&finished, true, &mut progress, &mut alive(&mut model)).ok().unwrap();
            assert_eq!(walked.conflict, None, "{lines} {cut}");
            assert_each_once(&model, lines);
        }
    }
}

#[test]
fn another_file_that_begins_alike_is_a_conflict_and_counts_nothing_twice() {
    let mut model = Model::default();
    import(REGION_LINES, &mut alive(&mut model)).ok().unwrap();
    let other = text(9).into_iter().chain(line(1_000_000).into_bytes()).collect::<Vec<u8>>();
    let region = regions_of(&other).remove(0);
    let walked = walk(&region, true, &mut RegionProgress::default(), &mut alive(&mut model)).ok().unwrap();
    let conflict = Some(Conflict { line: 0, lines: 10 });
    assert_eq!(walked, Walked { conflict, ..Walked::default() });
    assert_each_once(&model, REGION_LINES);
    // With a name of its own it is another file.
    let mut splitter = splitter("other host");
    splitter.push(&other);
    let region = splitter.open(true);
    let walked = walk(&region, true, &mut RegionProgress::default(), &mut alive(&mut model)).ok().unwrap();
    assert_eq!((walked.conflict, walked.counted, walked.skipped.total()), (None, 9, 1));
}

#[test]
fn a_copy_with_other_lines_at_its_end_is_a_conflict() {
    let mut model = Model::default();
    import(600, &mut alive(&mut model)).ok().unwrap();
    let other = [text(570), line(1_000_000).into_bytes()].concat();
    let walked = walk(&regions_of(&other)[0], true, &mut RegionProgress::default(), &mut alive(&mut model));
    assert_eq!(walked.ok().unwrap().conflict.map(|conflict| conflict.line), Some(520));
    assert_each_once(&model, 600);
}

#[test]
fn a_block_too_large_for_a_batch_is_sent_in_smaller_ones() {
    let mut text = String::new();
    let long = "x".repeat(900);
    for number in 0..REGION_LINES {
        text.push_str(&format!(
            "{{\"receivedAt\":\"2025-12-28T18:03:00Z\",\"method\":\"GET\",\"path\":\"/{number}\",\"userAgent\":\"{long}\"}}\n"
        ));
    }
    let region = regions_of(text.as_bytes()).remove(0);
    let mut model = Model::default();
    for (counted, already) in [(4_096, 0), (0, 4_096)] {
        let walked =
            walk(&region, true, &mut RegionProgress::default(), &mut alive(&mut model)).ok().unwrap();
        assert_eq!(walked, Walked { counted, already, ..Walked::default() });
    }
    assert_eq!((model.posts, model.counts.len()), (16, REGION_LINES));
}

#[test]
fn no_batch_holds_more_than_two_mebibytes_or_10_000_entries_however_long_lines_are() {
    let mut most = (0, 0);
    // From the shortest lines to such of which each fills a good part of a batch.
    for length in [1, 400, 430, 900, 5_000, 60_000] {
        let agent = "x".repeat(length);
        let lines = (16 << 20) / (length + 100);
        let text: String = (0..lines)
            .map(|number| format!(
                "{{\"receivedAt\":\"2025-12-28T18:03:00Z\",\"method\":\"GET\",\"path\":\"/{number}\",\"userAgent\":\"{agent}\"}}\n"
            ))
            .collect();
        let regions = regions_of(text.as_bytes());
        // The model fails at a batch that is too large.
        let mut model = Model::default();
        let mut counted = 0;
        for region in &regions {
            let progress = &mut RegionProgress::default();
            counted += walk(region, true, progress, &mut alive(&mut model)).ok().unwrap().counted;
        }
        assert_eq!(counted, lines as u64, "{length}");
        most = (most.0.max(model.most.0), most.1.max(model.most.1));
    }
    // Both bounds were near.
    assert!(most.0 >= 4_000 && most.1 > 1 << 20, "{most:?}");
}

/// One run of an importer: to how many lines the file has grown, after how many posts it dies, and how.
fn runs() -> impl Strategy<Value = Vec<(usize, Option<usize>, bool, bool)>> {
    let growth = prop_oneof![1..20_usize, 1..600_usize, Just(REGION_LINES)];
    prop::collection::vec((growth, prop::option::of(0..30_usize), any::<bool>(), any::<bool>()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_entry_is_counted_once_whatever_grows_and_dies(runs in runs()) {
        let mut model = Model::default();
        let mut lines = 0;
        for (growth, lives, last_arrives, follows) in runs {
            let before = lines;
            lines = (lines + growth).min(3 * REGION_LINES);
            let mut client = Client { model: &mut model, lives, last_arrives };
            // A follower sees some sizes on the way, but it too starts without knowing anything.
            if follows && lines <= REGION_LINES {
                let sizes: Vec<usize> = (before + 1..=lines).step_by(1 + growth / 5).chain([lines]).collect();
                let _ = follow(&sizes, &mut client);
            } else {
                let _ = import(lines, &mut client);
            }
        }
        prop_assert!(import(lines, &mut alive(&mut model)).is_ok());
        assert_each_once(&model, lines);
        let counted = model.counts.len() as u64;
        prop_assert_eq!(import(lines, &mut alive(&mut model)).ok().unwrap(), (0, counted));
    }

    #[test]
    fn a_copy_cut_anywhere_is_known_and_counts_nothing(
        lines in 1..2 * REGION_LINES,
        cut in any::<prop::sample::Index>(),
        more in 0..600_usize,
    ) {
        let mut model = Model::default();
        let (counted, _) = import(lines, &mut alive(&mut model)).ok().unwrap();
        let whole = text(lines);
        let copy = &whole[..cut.index(whole.len())];
        let mut already = 0;
        for region in regions_of(copy) {
            let mut progress = RegionProgress::default();
            let walked = walk(&region, true, &mut progress, &mut alive(&mut model)).ok().unwrap();
            prop_assert_eq!((walked.counted, walked.conflict), (0, None));
            already += walked.already;
            // Where the copy grows it goes on from what it remembers.
            for grown in regions(lines + more).iter().filter(|grown| grown.start.offset == region.start.offset) {
                walk(grown, true, &mut progress, &mut alive(&mut model)).ok().unwrap();
            }
        }
        let complete = copy.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let entries = complete.filter(|line| line.starts_with(b"{")).count() as u64;
        prop_assert!((entries..=entries + 1).contains(&already));
        prop_assert!(already <= counted);
        prop_assert!(import(lines + more, &mut alive(&mut model)).is_ok());
        assert_each_once(&model, lines + more);
    }

    #[test]
    fn two_importers_at_the_same_time_count_every_entry_once(
        (first, second) in (1..600_usize, 1..600_usize),
        turns in prop::collection::vec(0..6_usize, 1..40),
    ) {
        // Both see the file at another size; they take turns post by post.
        let model = std::sync::Mutex::new(Model::default());
        let turn = std::sync::Condvar::new();
        let state = std::sync::Mutex::new((turns.clone(), 0_usize, [false; 2]));
        struct Turns<'t> {
            me: usize,
            model: &'t std::sync::Mutex<Model>,
            turn: &'t std::sync::Condvar,
            state: &'t std::sync::Mutex<(Vec<usize>, usize, [bool; 2])>,
        }
        impl Post for Turns<'_> {
            type Error = Died;
            fn post(&mut self, batch: OutgoingBatch<'_>) -> Result<PostAnswer, Died> {
                let mut state = self.state.lock().unwrap();
                // Mine while the plan says so, or nothing is left of it, or the other is done.
                while !state.2[1 - self.me] && state.0.get(state.1).is_some_and(|plan| plan % 2 != self.me) {
                    state = self.turn.wait(state).unwrap();
                }
                state.1 += 1;
                self.turn.notify_all();
                drop(state);
                Ok(self.model.lock().unwrap().take(batch))
            }
        }
        std::thread::scope(|scope| {
            for (me, lines) in [(0, first), (1, second)] {
                let (model, turn, state) = (&model, &turn, &state);
                scope.spawn(move || {
                    let region = regions(lines).remove(0);
                    let progress = &mut RegionProgress::default();
                    let walked = walk(&region, true, progress, &mut Turns { me, model, turn, state });
                    // A file seen shorter than the other sees it may meet a larger block; then it counts nothing more.
                    assert!(walked.is_ok());
                    state.lock().unwrap().2[me] = true;
                    turn.notify_all();
                });
            }
        });
        let mut model = model.into_inner().unwrap();
        let lines = first.max(second);
        prop_assert!(import(lines, &mut alive(&mut model)).is_ok());
        assert_each_once(&model, lines);
    }
}
