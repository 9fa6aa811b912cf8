package io.sparkweld.ui

import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.ArrayNode

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

object Explained {
  def text(entries: Seq[Explained]): String = entries.map(_.text).distinct.mkString("\n")

  /** Returns `{"entries": [..]}`, in the order of the text. */
  def json(entries: Seq[Explained]): String = {
    val mapper = new ObjectMapper
    val root = mapper.createObjectNode()
    val all = root.putArray("entries")
    entries.foreach { explained =>
      val entry = all.addObject().put("kind", explained.kind)
      val functions = entry.putArray("functions")
      explained.functions.foreach(functions.add(_))
      explained.details.foreach { detail =>
        val values = entry.withArray[ArrayNode](detail.name)
        detail.values.foreach(values.add(_))
      }
      val refusals = entry.putArray("refusals")
      explained.refusals.foreach { refusal =>
        refusals.addObject().put("code", refusal.code).put("category", refusal.category).put("title", refusal.title)
          .put("message", refusal.message).put("hint", refusal.hint).put("place", refusal.place)
      }
    }
    mapper.writeValueAsString(root)
  }

  private def reason(refusal: Refusal): String = {
    val where = if (refusal.place.isEmpty) "" else s"\n    at ${refusal.place}"
    val hint = if (refusal.hint.isEmpty) "" else s"\n    ${refusal.hint}"
    s"${refusal.code} ${refusal.title}: ${refusal.message}$where$hint"
  }
}
