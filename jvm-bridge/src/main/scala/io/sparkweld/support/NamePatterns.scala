package io.sparkweld
package support

import java.util.regex.Pattern

/**
 * Holds patterns of names, as users write them: `kind:pattern`, separated by commas. `*` stands for any characters.
 *
 * @param patterns kind and pattern of each
 * @param problem what could not be parsed
 */
final case class NamePatterns(patterns: Seq[(String, String)], problem: Option[String]) {
  def isEmpty: Boolean = patterns.isEmpty && problem.isEmpty

  def nonEmpty: Boolean = !isEmpty

  /** Whether there is a pattern of this kind. */
  def has(kind: String): Boolean = patterns.exists(_._1 == kind)

  def ofKind(kind: String): Seq[String] = patterns.collect { case (`kind`, pattern) => pattern }

  /** Returns the first pattern of a kind that matches `name`, as it was written. */
  def find(kind: String, name: String): Option[String] =
    ofKind(kind).find(NamePatterns.matches(_, name)).map(pattern => s"$kind:$pattern")
}

object NamePatterns {
  val Kinds: Seq[String] = Seq("function", "module", "user", "group", "tag", "pool")

  private val Part = s"(${Kinds.mkString("|")}):(.+)".r

  /** Never fails: what cannot be parsed is the `problem`. */
  def parse(text: String): NamePatterns = {
    val parts = text.split(',').toSeq.map(_.trim).filter(_.nonEmpty)
    val patterns = parts.collect { case Part(kind, pattern) => kind -> pattern.trim }
    val problem = parts.find(Part.unapplySeq(_).isEmpty)
      .map(part => s"'$part' is not KIND:PATTERN with a kind of ${Kinds.mkString(", ")}")
    NamePatterns(patterns, problem)
  }

  private def matches(pattern: String, name: String): Boolean =
    Pattern.matches(pattern.split("\\*", -1).map(Pattern.quote).mkString(".*"), name)
}
