package io.sparkweld
package ml

/** Describes StringIndexer, OneHotEncoder and Bucketizer: values to category numbers, and these to indicators. */
private[ml] object Categories {
  private val Indexer = "org.apache.spark.ml.feature.StringIndexerModel"
  private val Encoder = "org.apache.spark.ml.feature.OneHotEncoderModel"
  private val Buckets = "org.apache.spark.ml.feature.Bucketizer"

  val stages: PartialFunction[Closure, MlStage] = {
    case Closure(Indexer, calls, Seq(keep: java.lang.Boolean, labels: collection.Seq[_], _)) if calls("contains") =>
      MlStage("StringIndexerModel").strings("labels", labels.map(_.toString).toSeq).flag("keepInvalid", keep)
    case Closure(Indexer, calls, Seq(known: Iterable[_])) if calls == Set("contains") =>
      val labels = known.collect { case (label: String, _) => label }
      MlStage("StringIndexerModel.isKnown").strings("labels", labels.toSeq.sorted)
    case Closure(Encoder, _, Seq(sizes: Array[Int], keep: java.lang.Boolean, widths: Array[Int])) =>
      MlStage("OneHotEncoderModel").ints("sizes", sizes).ints("widths", widths).flag("keepInvalid", keep)
    case Closure(Buckets, calls, Seq(splits: Array[Double], keep: java.lang.Boolean)) if calls("binarySearchForBuckets") =>
      MlStage("Bucketizer").doubles("splits", splits).flag("keepInvalid", keep)
  }
}
