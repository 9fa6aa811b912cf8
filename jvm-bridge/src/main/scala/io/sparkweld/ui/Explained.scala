package io.sparkweld
package ui

import scala.collection.immutable.ListMap

import io.sparkweld.contract.Encoder
import io.sparkweld.support.Refusal

/**
 * Represents one entry of an explanation, from which both its text and its JSON are made.
 *
 * In JSON: `kind`, `functions`, an array of strings for each name of a detail, and `refusals` with code, category, title,
 * message, hint and place.
 *
 * @param kind what became of the functions, such as "compiled" or "in_python"
 * @param head the first line of the text
 * @param functions the names of the functions
 * @param lead precedes each refusal in the text
 */
final case class Explained(
    kind: String,
    head: String,
    functions: Seq[String] = Nil,
    details: Seq[Detail] = Nil,
    refusals: Seq[Refusal] = Nil,
    lead: String = "") {

  /** Returns the keys of the entry in JSON; the values of details with one name form one array. */
  private def json: ListMap[String, Any] = {
    val values = details.foldLeft(ListMap.empty[String, Seq[String]]) { (made, detail) =>
      made + (detail.name -> (made.getOrElse(detail.name, Nil) ++ detail.values))
    }
    ListMap[String, Any]("kind" -> kind, "functions" -> functions) ++ values + ("refusals" -> refusals.map(RefusalEntry.of))
  }

  def text: String = (head +: (details.map(_.line) ++ refusals.map(refusal => lead + Explained.reason(refusal)))).mkString("\n  ")
}

/** One property of an entry: its name and values in JSON, and its line of the text. */
final case class Detail(name: String, values: Seq[String], line: String)

object Detail {
  def note(text: String): Detail = Detail("notes", Seq(text), s"note: $text")

  def measured(text: String): Detail = Detail("measured", Seq(text), s"measured: $text")

  /** Returns a list of values as one line, if there are any. */
  def some(name: String, values: Seq[String], separator: String): Option[Detail] =
    Option.when(values.nonEmpty)(Detail(name, values, s"$name: ${values.mkString(separator)}"))
}

/** An explanation in JSON. */
private final case class Entries(entries: Seq[ListMap[String, Any]])

/** A refusal in JSON. */
final case class RefusalEntry(
    code: String, category: String, title: String, message: String, hint: String, place: String)

object RefusalEntry {
  def of(refusal: Refusal): RefusalEntry =
    RefusalEntry(refusal.code, refusal.category, refusal.title, refusal.message, refusal.hint, refusal.place)
}

object Explained {
  def text(entries: Seq[Explained]): String = entries.map(_.text).distinct.mkString("\n")

  /** Returns `{"entries": [..]}`, in the order of the text. */
  def json(entries: Seq[Explained]): String = Encoder.text(Entries(entries.map(_.json)))

  private def reason(refusal: Refusal): String = {
    val where = if (refusal.place.isEmpty) "" else s"\n    at ${refusal.place}"
    val hint = if (refusal.hint.isEmpty) "" else s"\n    ${refusal.hint}"
    s"${refusal.code} ${refusal.title}: ${refusal.message}$where$hint"
  }
}
