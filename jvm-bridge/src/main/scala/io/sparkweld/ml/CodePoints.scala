package io.sparkweld.ml

import java.util.concurrent.ConcurrentHashMap
import java.util.regex.Pattern

import scala.collection.mutable.ArrayBuffer

/** Which code points a regular expression of a single one matches, by asking Java's own. */
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

  private def matched(pattern: String): Array[Int] = {
    val matcher = Pattern.compile(pattern).matcher("")
    val ends = ArrayBuffer.empty[Int]
    var inside = false
    (0 to Character.MAX_CODE_POINT).foreach { code =>
      val isSurrogate = code >= Character.MIN_SURROGATE && code <= Character.MAX_SURROGATE
      if (!isSurrogate && matcher.reset(Character.toString(code)).matches() != inside) {
        ends += code
        inside = !inside
      }
    }
    if (inside) ends += Character.MAX_CODE_POINT + 1
    ends.toArray
  }
}
