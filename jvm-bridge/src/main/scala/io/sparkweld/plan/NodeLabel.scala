package io.sparkweld
package plan

/** Names nodes in the graph of the tab SQL by their functions. */
private[plan] object NodeLabel {
  private val Most = 3
  private val MostLetters = 40

  /** Returns a node's label. Spark writes labels into HTML as they are, so names have only their letters, digits and `_ . $`. */
  def of(kind: String, functions: Seq[String]): String = {
    val names = functions.map(_.replaceAll("[^\\p{L}\\p{N}_.$]", "")).filter(_.nonEmpty).map(_.take(MostLetters)).distinct
    val more = if (names.size > Most) s" and ${names.size - Most} more" else ""
    (kind + names.take(Most).mkString(" ", ", ", "")).trim + more
  }
}
