package io.sparkweld
package ml

import scala.collection.mutable.ArrayBuffer

import io.sparkweld.spark.CurrentSpark

import org.apache.spark.ml.classification.{DecisionTreeClassificationModel, GBTClassificationModel, RandomForestClassificationModel}
import org.apache.spark.ml.regression.{DecisionTreeRegressionModel, GBTRegressionModel, RandomForestRegressionModel}
import org.apache.spark.ml.tree._

/** Describes trees, forests and boosted trees as the concatenated nodes of all trees, parents first. */
private[ml] object Trees {
  import Vectors.isOf

  private val Scoring = Set("predictRaw", "predictProbability", "predict")

  val stages: PartialFunction[Closure, MlStage] = {
    case Predicting(model: DecisionTreeRegressionModel, "predict") if isOf[DecisionTreeRegressionModel](model) =>
      described(MlStage("DecisionTreeRegressionModel.predict"), Seq(model.rootNode), model.numFeatures, 1)(prediction)
    case Predicting(model: RandomForestRegressionModel, "predict") if isOf[RandomForestRegressionModel](model) =>
      described(MlStage("RandomForestRegressionModel.predict"), model.trees.map(_.rootNode).toSeq, model.numFeatures, 1)(prediction)
    case Predicting(model: GBTRegressionModel, "predict") if isOf[GBTRegressionModel](model) =>
      described(MlStage("GBTRegressionModel.predict"), model.trees.map(_.rootNode).toSeq, model.numFeatures, 1)(prediction)
        .doubles("weights", model.treeWeights)
    case Predicting(model: GBTClassificationModel, call) if isOf[GBTClassificationModel](model) =>
      val stage = Classifying.withThresholds(MlStage(s"GBTClassificationModel.$call").text("loss", model.getLossType), model)
      if (!Scoring(call)) stage
      else described(stage, model.trees.map(_.rootNode).toSeq, model.numFeatures, 1)(prediction).doubles("weights", model.treeWeights)
    case Predicting(model: RandomForestClassificationModel, call) if isOf[RandomForestClassificationModel](model) =>
      val stage = Classifying.withThresholds(MlStage(s"RandomForestClassificationModel.$call"), model)
      if (Scoring(call)) described(stage, model.trees.map(_.rootNode).toSeq, model.numFeatures, model.numClasses)(shares) else stage
    case Predicting(model: DecisionTreeClassificationModel, call) if isOf[DecisionTreeClassificationModel](model) =>
      val stage = Classifying.withThresholds(MlStage(s"DecisionTreeClassificationModel.$call"), model)
      if (call == "predict") described(stage, Seq(model.rootNode), model.numFeatures, 1)(prediction)
      else if (Scoring(call)) described(stage, Seq(model.rootNode), model.numFeatures, model.numClasses)(CurrentSpark.statistics)
      else stage
  }

  private def prediction(leaf: LeafNode): Array[Double] = Array(leaf.prediction)

  /** Returns a leaf's contribution to each class. */
  private def shares(leaf: LeafNode): Array[Double] = {
    val weights = CurrentSpark.statistics(leaf)
    val total = weights.sum
    if (total == 0) new Array(weights.length) else weights.map(_ / total)
  }

  private def described(stage: MlStage, roots: Seq[Node], features: Int, width: Int)(values: LeafNode => Array[Double]): MlStage = {
    val nodes = new Nodes(values)
    roots.foreach(nodes.addTree)
    nodes.addTo(stage).int("features", features).int("width", width)
  }

  /**
   * Collects nodes. `hit`: the child for values up to the threshold, or in the categories; `miss`: the other child, also for NaN.
   * Both are relative to the tree's root, and -1 in a leaf.
   */
  private final class Nodes(leafValues: LeafNode => Array[Double]) {
    private val (feature, hit, miss) = (ArrayBuffer.empty[Int], ArrayBuffer.empty[Int], ArrayBuffer.empty[Int])
    private val (threshold, values, categories) = (ArrayBuffer.empty[Double], ArrayBuffer.empty[Double], ArrayBuffer.empty[Double])
    private val (roots, categorical, ends) = (ArrayBuffer.empty[Int], ArrayBuffer.empty[Int], ArrayBuffer.empty[Int])

    def addTree(root: Node): Unit = {
      roots += feature.size
      add(root, feature.size)
    }

    def addTo(stage: MlStage): MlStage = stage.ints("roots", roots.toArray).ints("feature", feature.toArray).ints("hit", hit.toArray)
      .ints("miss", miss.toArray).doubles("threshold", threshold.toArray).doubles("values", values.toArray)
      .ints("categorical", categorical.toArray).ints("ends", ends.toArray).doubles("categories", categories.toArray)

    /** Adds a node and returns its number within its tree. Trees are at most 30 deep, which bounds the recursion. */
    private def add(node: Node, root: Int): Int = {
      val at = feature.size
      node match {
        case leaf: LeafNode =>
          splitNode(0, 0.0)
          values ++= leafValues(leaf)
        case inner: InternalNode => inner.split match {
          case split: ContinuousSplit =>
            splitNode(split.featureIndex, split.threshold)
            link(at, add(inner.leftChild, root), add(inner.rightChild, root))
          case split: CategoricalSplit =>
            splitNode(split.featureIndex, 0.0)
            // As in the split itself: it looks the value up in the smaller category set; an unknown value takes the other side.
            val left = split.leftCategories.length <= (split.leftCategories.length + split.rightCategories.length) / 2
            categorical += at
            categories ++= (if (left) split.leftCategories else split.rightCategories)
            ends += categories.size
            val (ofLeft, ofRight) = (add(inner.leftChild, root), add(inner.rightChild, root))
            if (left) link(at, ofLeft, ofRight) else link(at, ofRight, ofLeft)
          case other => throw new UnknownStage("SW901", s"a tree with a split of class ${other.getClass.getName}")
        }
        case other => throw new UnknownStage("SW901", s"a tree with a node of class ${other.getClass.getName}")
      }
      at - root
    }

    private def splitNode(of: Int, at: Double): Unit = {
      feature += of
      threshold += at
      hit += -1
      miss += -1
    }

    private def link(at: Int, ofHit: Int, ofMiss: Int): Unit = {
      hit(at) = ofHit
      miss(at) = ofMiss
    }
  }
}
