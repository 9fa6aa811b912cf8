package io.sparkweld
package ml

import java.util.Locale
import java.util.concurrent.ConcurrentHashMap
import java.util.regex.Pattern

import scala.collection.mutable.ArrayBuffer

/** Computes Java's facts about code points: those that a one-character regular expression matches, and their lower case. */
private[ml] object CodePoints {
  private val known = new ConcurrentHashMap[String, Array[Int]]()

  /** An escape, any character that means itself, or a set of those: each matches one code point. */
  private val single = {
    val escape = """\\(?:[sSwWdDhHvV]|[pP]\{\w+\}|[^\p{Alnum}])"""
    s"""(?s)(?:$escape|[^\\\\\\[\\](){}.*+?^$$|]|\\[\\^?(?:$escape|[^\\\\\\[\\]&])+\\])""".r
  }

  /**
   * Returns the bounds of the matched ranges (start, end exclusive). None for an expression that may match more or fewer than one
   * code point.
   */
  def of(pattern: String): Option[Array[Int]] =
    Option.when(single.matches(pattern))(known.computeIfAbsent(pattern, matched(_)))

  /** The code points whose lower case differs, each followed by it, or by -1 when it is more than one code point. */
  lazy val lower: Array[Int] =
    all.flatMap { code =>
      val made = stringOf(code).toLowerCase(Locale.ROOT)
      val single = if (made.codePointCount(0, made.length) == 1) made.codePointAt(0) else -1
      if (single == code) Nil else Seq(code, single)
    }.toArray

  private def stringOf(code: Int) = new String(Character.toChars(code))

  private def all: Iterator[Int] =
    (0 to Character.MAX_CODE_POINT).iterator.filterNot(code => code >= Character.MIN_SURROGATE && code <= Character.MAX_SURROGATE)

  private def matched(pattern: String): Array[Int] = {
    val matcher = Pattern.compile(pattern).matcher("")
    val ends = ArrayBuffer.empty[Int]
    var inside = false
    all.foreach { code =>
      if (matcher.reset(stringOf(code)).matches() != inside) {
        ends += code
        inside = !inside
      }
    }
    if (inside) ends += Character.MAX_CODE_POINT + 1
    ends.toArray
  }
}
