package io.sparkweld
package ml

import java.util.Locale

import scala.util.matching.Regex

import io.sparkweld.spark.CurrentSpark

import org.apache.spark.broadcast.Broadcast
import org.apache.spark.ml.feature.{HashingTF, IDFModel, NGram}

/** Describes tokenizers, transformers that remove or join tokens, and those that count them. */
private[ml] object StringFeatures {
  import Vectors.isOf

  private val Features = "org.apache.spark.ml.feature."
  private val (plainTokens, regexTokens) = (s"${Features}Tokenizer", s"${Features}RegexTokenizer")
  private val (stopWords, ngrams) = (s"${Features}StopWordsRemover", s"${Features}NGram")
  private val (hashing, counting) = (s"${Features}HashingTF", s"${Features}CountVectorizerModel")

  val stages: PartialFunction[Closure, MlStage] = {
    case Closure(`plainTokens`, calls, Seq()) if calls("toImmutableArraySeq") =>
      tokens("Tokenizer", lowercase = true, gaps = true, "\\s", least = 0)
    case Closure(`regexTokens`, _, Seq(lowercase: java.lang.Boolean, gaps: java.lang.Boolean, pattern: Regex, least: Integer)) =>
      tokens("RegexTokenizer", lowercase, gaps, pattern.regex, least)
    case Closure(`stopWords`, _, Seq(words: collection.Set[_])) => without(words, caseSensitive = true)
    case Closure(`stopWords`, _, Seq(words: collection.Set[_], _: Function1[_, _])) => without(words, caseSensitive = false)
    case Closure(`ngrams`, _, Seq(model: NGram)) if isOf[NGram](model) => MlStage("NGram").int("n", model.getN)
    case Closure(`hashing`, _, Seq(model: HashingTF, next: Function1[_, _], size: Integer)) if isOf[HashingTF](model) =>
      if (CurrentSpark.hashVersion(model) != HashVersion || model.getNumFeatures != size) {
        throw new UnknownStage("SW901", "HashingTF with the hash of Spark 2")
      }
      // The function that updates a term's count: adds 1, or returns 1 for any count.
      val counts = next.asInstanceOf[Double => Double](1.0) == 2.0
      MlStage("HashingTF").int("size", size).flag("binary", !counts)
    case Closure(`counting`, _, Seq(words: Broadcast[_], least: java.lang.Double, binary: java.lang.Boolean)) =>
      val columns = words.value.asInstanceOf[collection.Map[String, Int]].toSeq.sortBy(_._2)
      if (columns.map(_._2) != columns.indices) throw new UnknownStage("SW901", "CountVectorizerModel with a word that is listed twice")
      MlStage("CountVectorizerModel").strings("words", columns.map(_._1)).number("least", least).flag("binary", binary)
    case Closure(_, calls, Seq(model: IDFModel)) if isOf[IDFModel](model) && calls("idf") =>
      MlStage("IDFModel").doubles("scale", model.idf.toArray)
  }

  /** The hash version of Spark since 3.0. */
  private val HashVersion = 2

  /** Languages in which Java's lower case of ASCII letters differs. */
  private val OtherCases = Set("tr", "az", "lt")

  private def tokens(name: String, lowercase: Boolean, gaps: Boolean, pattern: String, least: Int): MlStage = {
    val language = Locale.getDefault.getLanguage
    if (lowercase && OtherCases(language)) throw new UnknownStage("SW901", s"$name in the language $language")
    val repeated = pattern.endsWith("+") && !pattern.endsWith("\\+")
    val single = if (repeated) pattern.dropRight(1) else pattern
    val members = CodePoints.of(single).getOrElse(throw new UnknownStage("SW901", s"$name with the pattern $pattern"))
    val stage = MlStage(name).flag("lowercase", lowercase).flag("gaps", gaps).flag("repeated", repeated).int("least", least)
      .ints("members", members)
    if (lowercase) stage.ints("lower", CodePoints.lower) else stage
  }

  private def without(words: collection.Set[_], caseSensitive: Boolean): MlStage =
    MlStage("StopWordsRemover").strings("words", words.toSeq.map(_.toString).sorted).flag("caseSensitive", caseSensitive)
}
