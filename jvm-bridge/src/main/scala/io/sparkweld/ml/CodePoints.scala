package io.sparkweld.ml

import java.util.Locale
import java.util.concurrent.ConcurrentHashMap
import java.util.regex.Pattern

import scala.collection.mutable.ArrayBuffer

/** What Java knows of code points: which of them a regular expression of a single one matches, and their lower case. */
private[ml] object CodePoints {
  private val known = new ConcurrentHashMap[String, Array[Int]]()

  /** An escape, any character that means itself, or a set of those: each matches one code point. */
  private val single = {
    val escape = """\\(?:[sSwWdDhHvV]|[pP]\{\w+\}|[^\p{Alnum}])"""
    s"""(?s)(?:$escape|[^\\\\\\[\\](){}.*+?^$$|]|\\[\\^?(?:$escape|[^\\\\\\[\\]&])+\\])""".r
  }

  /** The first of each range, and the first behind it. None for an expression that may match more, or less, than one. */
  def of(pattern: String): Option[Array[Int]] =
    Option.when(single.matches(pattern))(known.computeIfAbsent(pattern, matched(_)))

  /** The code points that have another lower case than themselves, and behind each that, or -1 for more than one code point. */
  lazy val lower: Array[Int] =
    all.flatMap { code =>
      val made = Character.toString(code).toLowerCase(Locale.ROOT)
      val single = if (made.codePointCount(0, made.length) == 1) made.codePointAt(0) else -1
      if (single == code) Nil else Seq(code, single)
    }.toArray

  private def all: Iterator[Int] =
    (0 to Character.MAX_CODE_POINT).iterator.filterNot(code => code >= Character.MIN_SURROGATE && code <= Character.MAX_SURROGATE)

  private def matched(pattern: String): Array[Int] = {
    val matcher = Pattern.compile(pattern).matcher("")
    val ends = ArrayBuffer.empty[Int]
    var inside = false
    all.foreach { code =>
      if (matcher.reset(Character.toString(code)).matches() != inside) {
        ends += code
        inside = !inside
      }
    }
    if (inside) ends += Character.MAX_CODE_POINT + 1
    ends.toArray
  }
}
