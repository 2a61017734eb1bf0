#include "catalog/log_runs.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/log_events.h"
#include "catalog/names.h"
#include "flow/parallel_for.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <utility>

namespace keyrewind::catalog {
namespace {

/// How often a log is listed again because segments were merged or removed in the meantime.
constexpr int kListings = 5;

/// So many indexes are on their way at once: each is small, and the store may be far away.
constexpr std::size_t kIndexesAtOnce = 16;

/// So many indexes are fetched at a time, and of an outline not many more are held.
constexpr std::size_t kIndexBatch = 512;

/// A shard's log, and where it is.
struct Place {
  const store::ObjectStore& store;
  const std::string& source;
  const std::string& shard;
  std::stop_token stop;
};

bool is_damage(const Error& error) {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible;
}

/// Opens segments, each only once.
class Indexes {
 public:
  explicit Indexes(const Place& place) : place_(place) {}

  /// Reads those of `entries` that are not open yet, several at once, for `open` to find.
  void fetch(const std::vector<SegmentEntry>& entries) {
    std::vector<const SegmentEntry*> wanted;
    for (const SegmentEntry& entry : entries) {
      if (!opened_.contains(entry.object) && !fetched_.contains(entry.object)) {
        wanted.push_back(&entry);
      }
    }
    std::vector<Fetched> found(wanted.size());
    flow::parallel_for(
        {"index", kIndexesAtOnce}, wanted.size(),
        [&](std::uint64_t number, std::stop_token inner) {
          found[number] = read(*wanted[number], inner);
        },
        place_.stop);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      fetched_.emplace(wanted[i]->object, std::move(found[i]));
    }
  }

  /// Nothing if it is damaged or gone. Problems are noted in the order of these calls.
  const Segment* open(const SegmentEntry& entry) {
    const auto known = opened_.find(entry.object);
    if (known != opened_.end()) {
      return known->second ? &*known->second : nullptr;
    }
    const auto node = fetched_.extract(entry.object);
    Fetched fetched = node ? std::move(node.mapped()) : read(entry, place_.stop);
    if (fetched.problem) {
      opened_.emplace(entry.object, std::nullopt);
      problems_.push_back(*std::move(fetched.problem));
      return nullptr;
    }
    if (!fetched.segment) {
      gone_ = true;
      return nullptr;
    }
    return &*opened_.emplace(entry.object, std::move(fetched.segment)).first->second;
  }

  bool is_damaged(const SegmentEntry& entry) const {
    const auto known = opened_.find(entry.object);
    return known != opened_.end() && !known->second;
  }

  /// Forgets those that were sound, if they have become many.
  void make_room() {
    if (opened_.size() > 2 * kIndexBatch) {
      std::erase_if(opened_, [](const auto& opened) { return opened.second.has_value(); });
    }
  }

  /// Whether one was gone since the last question.
  bool take_gone() noexcept { return std::exchange(gone_, false); }

  const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  /// An index, or why it can't be read; neither if the object is gone.
  struct Fetched {
    std::optional<Segment> segment{};
    std::optional<std::string> problem{};
  };

  Fetched read(const SegmentEntry& entry, const std::stop_token& stop) const {
    try {
      return {.segment = read_segment(place_.store, entry, stop)};
    } catch (const Error& error) {
      if (!is_damage(error)) {
        throw;
      }
      return {.problem = error.what()};
    }
  }

  const Place& place_;
  std::map<std::string, std::optional<Segment>> opened_;  ///< By object; nothing if damaged.
  std::map<std::string, Fetched> fetched_;                ///< By object, until it is opened.
  std::vector<std::string> problems_;
  bool gone_ = false;
};

/// The pages of one lineage.
class Pages {
 public:
  Pages(const Place& place, std::vector<names::LogPageName> known)
      : place_(place), known_(std::move(known)) {
    std::ranges::sort(known_, {},
                      [](const auto& page) { return std::tuple(page.begin, -page.end); });
  }

  /// Where in a row of segments a page stands: in place of those from `first` to before `last`.
  struct Stand {
    std::size_t first = 0;
    std::size_t last = 0;
    const LogPage* page = nullptr;
  };

  /// Those that stand for some of the row: the segments of `spans` in `places`.
  std::vector<Stand> find(const std::vector<LogSpan>& spans,
                          const std::vector<std::uint32_t>& places) {
    std::vector<Stand> stands;
    std::vector<const names::LogPageName*> wanted;
    std::size_t free = 0;  // No page stands for any segment from here on.
    for (const names::LogPageName& page : known_) {
      const auto first = std::lower_bound(
          places.begin() + static_cast<std::ptrdiff_t>(free), places.end(), page.begin,
          [&](std::uint32_t place, std::int64_t begin) { return spans[place].begin < begin; });
      const auto last = std::lower_bound(
          first, places.end(), page.end,
          [&](std::uint32_t place, std::int64_t end) { return spans[place].end < end; });
      if (last != places.end() && spans[*first].begin == page.begin &&
          spans[*last].end == page.end) {
        free = static_cast<std::size_t>(last - places.begin()) + 1;
        stands.push_back({static_cast<std::size_t>(first - places.begin()), free, nullptr});
        wanted.push_back(&page);
      }
    }
    read(wanted);
    for (std::size_t i = 0; i < stands.size(); ++i) {
      const std::optional<LogPage>& page = read_.at({wanted[i]->begin, wanted[i]->end});
      stands[i].page = page ? &*page : nullptr;
    }
    std::erase_if(stands, [](const Stand& stand) { return stand.page == nullptr; });
    return stands;
  }

 private:
  void read(const std::vector<const names::LogPageName*>& wanted) {
    std::vector<std::optional<LogPage>> found(wanted.size());
    flow::parallel_for(
        {"page", kIndexesAtOnce}, wanted.size(),
        [&](std::uint64_t number, std::stop_token inner) {
          if (!read_.contains({wanted[number]->begin, wanted[number]->end})) {
            found[number] = read(*wanted[number], inner);
          }
        },
        place_.stop);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      read_.try_emplace({wanted[i]->begin, wanted[i]->end}, std::move(found[i]));
    }
  }

  /// Nothing if it is gone or damaged: what it stands for tells the same.
  std::optional<LogPage> read(const names::LogPageName& name, const std::stop_token& stop) const {
    const std::string object =
        names::log_page(place_.source, place_.shard, name.lineage, name.begin, name.end);
    try {
      const auto content = place_.store.get(object, kMaxLogPageBytes, stop);
      if (!content) {
        return std::nullopt;
      }
      LogPage page = decode_log_page(*content);
      if (page.source != place_.source || page.shard != place_.shard ||
          page.lineage != name.lineage || page.begin != name.begin || page.end != name.end) {
        throw Error(Side::repository, ErrorKind::corrupt, "the page does not fit its name");
      }
      return page;
    } catch (const Error& error) {
      if (!is_damage(error)) {
        throw;
      }
      log::warn("page of the log passed over", {{"object", object}, {"error", error.what()}});
      return std::nullopt;
    }
  }

  const Place& place_;
  std::vector<names::LogPageName> known_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::optional<LogPage>> read_;
};

/// Gathers a run, and pages of it that are not written yet.
class RunBuilder {
 public:
  RunBuilder(const Place& place, std::string lineage, LogDetail detail,
             const TakeLogPage& take_page)
      : place_(place), detail_(detail), take_page_(take_page), events_(lineage) {
    run_.lineage = std::move(lineage);
  }

  bool empty() const noexcept { return run_.ids.empty(); }
  bool goes_on_with(const Digest& previous) const { return empty() || chain_ == previous; }

  void add(const LogPage& page) {
    draft_.reset();
    add_ids(page.ids, run_.ids);
    events_.add(page, run_.events);
    chain_ = page.chain;
    run_.last = page.last.at;
  }

  /// `left`: how many segments follow it in the run.
  void add(const Segment& segment, std::size_t left) {
    const std::size_t first_event = run_.events.size();
    add_ids(segment.ids, run_.ids);
    events_.add(segment, run_.events);
    chain_ = chain_end(segment);
    run_.last = segment.marks.back().at;
    if (detail_ == LogDetail::indexes) {
      run_.segments.push_back(segment);
    }
    if (take_page_) {
      draft(segment, first_event, left);
    }
  }

  LogRun finish() { return std::move(run_); }

 private:
  /// A page that is being gathered.
  struct Draft {
    LogPage page;
    std::size_t segments = 0;
  };

  static void add_ids(const std::vector<HistoryId>& ids, std::vector<HistoryId>& to) {
    for (const HistoryId& id : ids) {
      if (to.empty() || to.back().replid != id.replid) {
        to.push_back(id);
      }
    }
  }

  void draft(const Segment& segment, std::size_t first_event, std::size_t left) {
    if (!draft_) {
      draft_.emplace();
      draft_->page.source = place_.source;
      draft_->page.shard = place_.shard;
      draft_->page.lineage = run_.lineage;
      draft_->page.begin = segment.begin;
      draft_->page.previous = segment.previous;
    }
    LogPage& page = draft_->page;
    page.end = segment.end;
    page.chain = chain_;
    page.last = segment.marks.back();
    add_ids(segment.ids, page.ids);
    page.events.insert(page.events.end(),
                       run_.events.begin() + static_cast<std::ptrdiff_t>(first_event),
                       run_.events.end());
    const bool is_full =
        ++draft_->segments == kSegmentsPerPage || page.events.size() >= kEventsPerPage;
    if (is_full) {
      if (left >= kSegmentsBehindPages) {
        take_page_(page);
      }
      draft_.reset();
    }
  }

  const Place& place_;
  const LogDetail detail_;
  const TakeLogPage& take_page_;
  EventFinder events_;
  LogRun run_;
  Digest chain_{};
  std::optional<Draft> draft_;
};

/// Finds the runs of one lineage.
class LineageReader {
 public:
  LineageReader(const Place& place, std::string lineage, std::vector<LogSpan> spans, Pages pages,
                LogDetail detail, const TakeLogPage& take_page, Indexes& indexes, LogRuns& log)
      : place_(place),
        lineage_(std::move(lineage)),
        spans_(std::move(spans)),
        pages_(std::move(pages)),
        detail_(detail),
        take_page_(take_page),
        indexes_(indexes),
        log_(log),
        reached_(spans_.front().begin) {}

  void read() {
    while (const std::optional<std::int64_t> begin = next_begin()) {
      read_run(*begin);
    }
    std::int64_t end = reached_;
    for (const SegmentEntry& damaged : damaged_) {
      end = std::max(end, damaged.end);
    }
    if (end > reached_) {
      note_break(end);
    }
    give_spans();
    std::ranges::move(runs_, std::back_inserter(log_.runs));
  }

 private:
  /// The first offset from `reached_` on at which there is any log left.
  std::optional<std::int64_t> next_begin() const {
    std::optional<std::int64_t> begin;
    for (const LogSpan& span : spans_) {
      if (span.end > reached_) {
        const std::int64_t first = std::max(span.begin, reached_);
        begin = begin ? std::min(*begin, first) : first;
      }
    }
    return begin;
  }

  SegmentEntry entry(std::uint32_t place) const {
    return entry_of(place_.source, place_.shard, lineage_, spans_[place]);
  }

  /// Reads the run from `begin` on, or finds that a segment can't be read and drops it.
  void read_run(std::int64_t begin) {
    std::vector<std::uint32_t> places = cover_places(spans_, begin);
    const std::vector<Pages::Stand> stands =
        detail_ == LogDetail::outline ? pages_.find(spans_, places) : std::vector<Pages::Stand>();
    RunBuilder run(place_, lineage_, detail_, take_page_);
    auto stand = stands.begin();
    std::size_t fetched = 0;
    std::size_t at = 0;
    while (at < places.size()) {
      stand = std::find_if(stand, stands.end(), [&](const auto& one) { return one.first >= at; });
      if (stand != stands.end() && stand->first == at && run.goes_on_with(stand->page->previous)) {
        run.add(*stand->page);
        at = stand->last;
        continue;
      }
      if (fetched <= at) {
        const std::size_t next = stand == stands.end() ? places.size() : stand->first;
        fetched = fetch(places, at, next);
      }
      const SegmentEntry next = entry(places[at]);
      const Segment* const segment = indexes_.open(next);
      if (segment == nullptr) {
        drop(next, places[at]);
        return;
      }
      if (!run.goes_on_with(segment->previous)) {
        break;
      }
      run.add(*segment, places.size() - at - 1);
      ++at;
    }
    places.resize(at);
    take(run.finish(), std::move(places));
  }

  /// Fetches the indexes of some segments that come next, up to `next`. Returns up to where.
  std::size_t fetch(const std::vector<std::uint32_t>& places, std::size_t at, std::size_t next) {
    const std::size_t end =
        detail_ == LogDetail::outline
            ? std::min(places.size(), std::max(at + 1, std::min(next, at + kIndexBatch)))
            : places.size();
    std::vector<SegmentEntry> entries;
    for (std::size_t i = at; i < end; ++i) {
      entries.push_back(entry(places[i]));
    }
    if (detail_ == LogDetail::outline) {
      indexes_.make_room();
    }
    indexes_.fetch(entries);
    return end;
  }

  void take(LogRun run, std::vector<std::uint32_t> places) {
    const LogSpan& first = spans_[places.front()];
    if (first.begin != reached_ || !runs_.empty()) {
      note_break_before(first);
    }
    reached_ = spans_[places.back()].end;
    run.begin = first.begin;
    run.end = reached_;
    runs_.push_back(std::move(run));
    places_.push_back(std::move(places));
  }

  void drop(const SegmentEntry& entry, std::uint32_t place) {
    if (indexes_.is_damaged(entry)) {
      damaged_.push_back(entry);
    }
    spans_.erase(spans_.begin() + static_cast<std::ptrdiff_t>(place));
    for (std::vector<std::uint32_t>& places : places_) {
      for (std::uint32_t& other : places) {
        other -= other > place ? 1U : 0U;
      }
    }
  }

  /// Gives each run its spans. Nearly always there is one run: it gets them without a copy.
  void give_spans() {
    for (std::size_t i = 0; i + 1 < runs_.size(); ++i) {
      for (const std::uint32_t place : places_[i]) {
        runs_[i].spans.push_back(spans_[place]);
      }
    }
    if (!runs_.empty()) {
      std::size_t count = 0;
      for (const std::uint32_t place : places_.back()) {
        spans_[count++] = spans_[place];
      }
      spans_.resize(count);
      runs_.back().spans = std::move(spans_);
    }
  }

  void note_break_before(const LogSpan& first) {
    if (first.begin > reached_) {
      note_break(first.begin);
      return;
    }
    const std::string object = entry_of(place_.source, place_.shard, lineage_, first).object;
    log_.breaks.push_back({lineage_,
                           reached_,
                           reached_,
                           fmt::format("{} does not follow what stands before it", object),
                           {}});
    log_.problems.push_back(log_.breaks.back().reason);
  }

  /// Notes that nothing can be read from `reached_` to `end`, and why.
  void note_break(std::int64_t end) {
    LogBreak broken{lineage_, reached_, end, {}, {}};
    for (const SegmentEntry& entry : damaged_) {
      if (entry.begin < end && entry.end > reached_) {
        broken.last = std::max(broken.last, entry.last);
        if (broken.reason.empty()) {
          broken.reason = fmt::format("{} is damaged", entry.object);
        }
      }
    }
    if (broken.reason.empty()) {
      broken.reason = fmt::format("the log of lineage {} is missing from offset {} to {}", lineage_,
                                  reached_, end);
      log_.problems.push_back(broken.reason);
    }
    log_.breaks.push_back(std::move(broken));
  }

  const Place& place_;
  const std::string lineage_;
  std::vector<LogSpan> spans_;
  Pages pages_;
  const LogDetail detail_;
  const TakeLogPage& take_page_;
  Indexes& indexes_;
  LogRuns& log_;
  std::int64_t reached_;
  std::vector<SegmentEntry> damaged_;
  std::vector<LogRun> runs_;                        ///< Without their spans yet…
  std::vector<std::vector<std::uint32_t>> places_;  ///< …which stand here in `spans_`.
};

/// Leaves out what a trim says is no part of the log any more.
void apply_trim(std::vector<LogSpan>& spans, const std::string& lineage,
                const std::map<std::string, std::int64_t>& trims) {
  const auto trim = trims.find(lineage);
  if (trim != trims.end()) {
    std::erase_if(spans, [&](const LogSpan& span) { return span.end < trim->second; });
  }
}

/// Whether a page can be written, as far as names tell.
bool lacks_pages(LogNames found) {
  return std::ranges::any_of(found.logs, [&](const auto& log) {
    std::vector<names::LogPageName>& pages = found.pages[log.first];
    std::ranges::sort(pages, {}, &names::LogPageName::begin);
    const auto is_told = [&](const LogSpan& span) {
      const auto behind =
          std::ranges::upper_bound(pages, span.begin, {}, &names::LogPageName::begin);
      return behind != pages.begin() && span.end <= std::prev(behind)->end;
    };
    const auto told = static_cast<std::size_t>(std::ranges::count_if(log.second, is_told));
    return log.second.size() - told >= kSegmentsPerPage + kSegmentsBehindPages;
  });
}

}  // namespace

LogRuns read_log_runs(const store::ObjectStore& store, const std::string& source,
                      const std::string& shard, LogDetail detail, std::stop_token stop,
                      const TakeLogPage& take_page) {
  const Place place{store, source, shard, stop};
  Indexes indexes(place);
  for (int listing = 1;; ++listing) {
    LogRuns log;
    LogNames found = list_log_names(store, source, shard, stop);
    log.trims = found.trims;
    log.events = std::move(found.events);
    for (auto& [lineage, spans] : found.logs) {
      apply_trim(spans, lineage, found.trims);
      if (!spans.empty()) {
        LineageReader(place, lineage, std::move(spans), {place, std::move(found.pages[lineage])},
                      detail, take_page, indexes, log)
            .read();
      }
    }
    if (indexes.take_gone() && listing < kListings) {
      continue;
    }
    log.problems.insert(log.problems.begin(), indexes.problems().begin(), indexes.problems().end());
    return log;
  }
}

std::size_t write_log_pages(store::ObjectStore& store, const std::string& source,
                            const std::string& shard, std::stop_token stop) {
  if (!lacks_pages(list_log_names(store, source, shard, stop))) {
    return 0;
  }
  std::size_t written = 0;
  read_log_runs(store, source, shard, LogDetail::outline, stop, [&](const LogPage& page) {
    const std::string name = names::log_page(source, shard, page.lineage, page.begin, page.end);
    written += store.put_if_absent(name, encode(page), stop) ? 1U : 0U;
  });
  return written;
}

}  // namespace keyrewind::catalog
