import io.sparkweld.plan.CallTimes;
import io.sparkweld.plan.Race;
import scala.Option;

/** Checks the decisions of a race between a kernel and Python over given times. Prints "ok NAME" or "FAILED NAME: why" for each. */
public final class RaceCheck {
  private static final int ROWS = 2000;
  private static final long SLOW = 5000L * ROWS; // a kernel of 5 µs a row
  private static final int LONG = 100; // batches, after which it has run for a second

  public static void main(String[] args) {
    Checks.check("race-slower", RaceCheck::slower);
    Checks.check("race-faster", RaceCheck::faster);
    Checks.check("race-cheap", RaceCheck::cheap);
    Checks.check("race-short", RaceCheck::shortRun);
    Checks.check("race-flagged", RaceCheck::flagged);
    Checks.check("race-flags-count", RaceCheck::flagsCount);
    Checks.check("race-unmeasured", RaceCheck::unmeasured);
    Checks.check("race-clear", RaceCheck::clear);
  }

  private static Race ran(int batches, long nanos, double share) {
    Race race = new Race(0, 64);
    for (int i = 0; i < batches; i++) race.ran(ROWS, nanos, share);
    return race;
  }

  private static boolean loses(Race race, double pythonNanos) {
    return race.sampled(Option.apply((Object) pythonNanos)).isDefined();
  }

  /** Python takes 4 µs a row, the kernel 5. One caller at a time measures. */
  private static void slower() {
    Race race = ran(LONG, SLOW, 0);
    Checks.equal(true, race.requiresSample());
    Checks.equal(false, race.requiresSample());
    Checks.equal(true, loses(race, 4000.0));
  }

  /** Checks that a winning kernel is re-timed when it has become twice as slow. */
  private static void faster() {
    Race race = ran(LONG, SLOW, 0);
    Checks.equal(true, race.requiresSample());
    Checks.equal(false, loses(race, 4900.0)); // within a tenth
    Checks.equal(false, race.requiresSample());
    for (int i = 0; i < LONG; i++) race.ran(ROWS, 3 * SLOW, 0);
    Checks.equal(true, race.requiresSample());
  }

  /** Checks that a kernel faster than any transfer to a worker is never timed against Python. */
  private static void cheap() {
    Checks.equal(false, ran(100 * LONG, 900L * ROWS, 0).requiresSample());
  }

  private static void shortRun() {
    Checks.equal(false, ran(10, SLOW, 0).requiresSample());
  }

  private static void flagged() {
    Checks.equal(true, ran(1, SLOW, 1.0).flagged().isDefined());
    Checks.equal(false, ran(1, SLOW, 0.5).flagged().isDefined());
    Race race = ran(1, SLOW, 0);
    race.ran(ROWS, SLOW, 1.0); // an exception
    Checks.equal(false, race.flagged().isDefined());
  }

  /** Checks that flagged rows, which Python computes anyway, count for both: 5 µs, and half of 6. */
  private static void flagsCount() {
    Checks.equal(true, loses(ran(LONG, SLOW, 0.5), 6000.0));
    Checks.equal(false, loses(ran(LONG, SLOW, 0), 6000.0));
  }

  /** Checks that without a Python measurement the kernel stays, and the next try waits until its cost has accrued again. */
  private static void unmeasured() {
    Race race = ran(LONG, SLOW, 0);
    Checks.equal(true, race.requiresSample());
    Checks.equal(false, race.sampled(Option.empty()).isDefined());
    Checks.equal(false, race.requiresSample());
    for (int i = 0; i < LONG; i++) race.ran(ROWS, SLOW, 0);
    Checks.equal(true, race.requiresSample());
  }

  /** Checks when one sample suffices: 200 and 1,600 rows at 50 µs each, and calls of 10 ms, or of half a second. */
  private static void clear() {
    CallTimes times = new CallTimes(200, 20_000_000L, 1600, 90_000_000L);
    Checks.equal(Option.apply((Object) 50_000.0), times.nanosARow());
    Checks.equal(true, times.isAbove(5_000)); // 70 ms: twice 7 ms, and 30 ms that may vary
    Checks.equal(false, times.isAbove(20_000));
    Checks.equal(false, new CallTimes(200, 510_000_000L, 1600, 580_000_000L).isAbove(5_000));
    Checks.equal(Option.empty(), new CallTimes(200, 90_000_000L, 1600, 90_000_000L).nanosARow());
    Checks.equal(new CallTimes(200, 15_000_000L, 1600, 90_000_000L), times.least(new CallTimes(200, 15_000_000L, 1600, 95_000_000L)));
  }
}
